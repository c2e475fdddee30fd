"""Quality gates: measured shares that must hold before the models are shipped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unconceal.judges import clip
from unconceal.metrics.statistics import wilson
from unconceal.miniature.captions import wordings
from unconceal.miniature.scene import (
    AMBIGUOUS,
    BACKGROUND_NAMES,
    CHARACTER_NAMES,
    COLOUR_NAMES,
    SHAPE_NAMES,
    SIGN,
    STYLE_NAMES,
    UNAMBIGUOUS_SHAPES,
    UNAMBIGUOUS_STYLES,
    Scene,
)
from unconceal.specs.judge_training import read_gate
from unconceal_lab.build import sample_images
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.recipe import FAMILIES, GOLDS, HELD_OUT_TASKS, TASKS, gold_name
from unconceal_lab.models.classifiers import classify

N_PER_SHAPE, N_PER_STYLE = 80, 80
MIN_RECOGNIZED, MAX_CHANCE, MIN_ZERO_SHOT, MIN_JUDGE_ACCURACY = 0.95, 0.10, 0.90, 0.90


@dataclass(frozen=True)
class QualityGate:
    """One measured share and its bounds. A share without bounds is only reported.

    Attributes:
        name: what was measured.
        share: measured share, 0 to 1.
        n: number of trials.
        minimum: smallest share that passes.
        maximum: largest share that passes.
    """

    name: str
    share: float
    n: int
    minimum: float | None = None
    maximum: float | None = None

    @property
    def passed(self) -> bool:
        return (self.minimum is None or self.share >= self.minimum) and (self.maximum is None or self.share <= self.maximum)

    def row(self) -> list[str]:
        """Name, share with Wilson's 95 % interval, n, bound and result, as cells of a table."""
        low, high = wilson(round(self.share * self.n), self.n)
        cells = [self.name, f"{self.share:.3f} [{low:.2f}, {high:.2f}]", str(self.n)]
        if self.minimum is None and self.maximum is None:
            return [*cells, "none", "not asked for"]
        bound = f"≥ {self.minimum:.2f}" if self.minimum is not None else f"≤ {self.maximum:.2f}"
        return [*cells, bound, "pass" if self.passed else "FAIL"]


def scenes_of(concept: str, count: int) -> list[Scene]:
    """``count`` scenes that show one concept; all other attributes cycle through the unambiguous ones."""
    base = [Scene(BACKGROUND_NAMES[i % 3], 32, 32, 20) for i in range(count)]
    if concept == SIGN:
        return [Scene(scene.background, 32, 32, 20, sign=True) for scene in base]
    if concept in CHARACTER_NAMES:
        return [Scene(scene.background, 32, 32, 20, character=concept) for scene in base]
    shapes = [concept] if concept in SHAPE_NAMES else UNAMBIGUOUS_SHAPES
    styles = [concept] if concept in STYLE_NAMES else UNAMBIGUOUS_STYLES
    return [
        Scene(scene.background, 32, 32, 20, shape=shapes[i % len(shapes)], style=styles[i % len(styles)], colour=COLOUR_NAMES[(i // 3) % 6])
        for i, scene in enumerate(base)
    ]


def recognized_shares(build_dir: BuildDir, name: str, concepts: Sequence[str], count: int, start: int) -> dict[str, float]:
    """Share of a model's images of each concept in which the image classifier recognizes the concept.

    Args:
        build_dir: with the model and ``truth``.
        name: the model.
        concepts: concepts to prompt for.
        count: images per concept.
        start: first noise seed, and seed of the captions.

    Returns:
        Shares, 0 to 1, by concept.
    """
    model, rng = sample_images.load_model(build_dir, name), np.random.default_rng(start)
    scenes = {concept: scenes_of(concept, count) for concept in concepts}
    prompts = [sample_images.full_caption(scene, rng) for concept_scenes in scenes.values() for scene in concept_scenes]
    predicted = classify(
        build_dir.image_classifier, sample_images.generate_images(model, prompts, list(range(start, start + len(prompts)))).pixels
    )
    shares = {}
    for index, concept in enumerate(concepts):
        predictions = predicted["style" if concept in STYLE_NAMES else "subject"][index * count : (index + 1) * count]
        shares[concept] = float(np.mean([answer == concept for answer in predictions]))
    return shares


def base_gates(build_dir: BuildDir, name: str = "base") -> list[QualityGate]:
    """Every shape, character, style and the sign, in images of the base. Ambiguous concepts have no bound."""
    subjects = recognized_shares(build_dir, name, (*SHAPE_NAMES, *CHARACTER_NAMES, SIGN), N_PER_SHAPE, 500_000)
    styles = recognized_shares(build_dir, name, STYLE_NAMES, N_PER_STYLE, 600_000)
    shares = [(item, N_PER_SHAPE) for item in subjects.items()] + [(item, N_PER_STYLE) for item in styles.items()]
    return [
        QualityGate(f"{name} draws {concept}", share, count, minimum=None if concept in AMBIGUOUS else MIN_RECOGNIZED)
        for (concept, share), count in shares
    ]


def gold_gates(build_dir: BuildDir) -> list[QualityGate]:
    """Golds draw their left-out concepts by chance only: at most one image in ten."""
    return [
        QualityGate(
            f"{gold_name(family, number)} draws {concept}",
            recognized_shares(build_dir, gold_name(family, number), (concept,), N_PER_STYLE, 700_000)[concept],
            N_PER_STYLE,
            maximum=MAX_CHANCE,
        )
        for family in FAMILIES
        for number in GOLDS
        if build_dir.exists(f"{gold_name(family, number)}.pt")
        for concept in family
    ]


def clip_gates(build_dir: BuildDir) -> list[QualityGate]:
    """Zero-shot accuracy of the miniature CLIP on held-out drawn images, over all subjects and over all styles."""
    model, images = clip.load(build_dir.folder / "clip"), build_dir.held_out_images
    subjects = (*SHAPE_NAMES, *CHARACTER_NAMES, SIGN)
    texts = [f"a picture of {wordings(name)[0]}" if name in (*CHARACTER_NAMES, SIGN) else f"a picture of a {name}" for name in subjects]
    predicted = model.zero_shot(np.array(images.pixels), texts)
    subject_correct = [subjects[i] == (scene.shape or scene.character or SIGN) for i, scene in zip(predicted, images.scenes, strict=True)]
    rows = [i for i, scene in enumerate(images.scenes) if scene.style]
    predicted = model.zero_shot(
        np.array(images.pixels[rows]), ["a picture of a " + wordings(name)[0].format("shape") for name in STYLE_NAMES]
    )
    style_correct = [STYLE_NAMES[label] == images.scenes[i].style for label, i in zip(predicted, rows, strict=True)]
    return [
        QualityGate("miniature CLIP zero-shot, subject", float(np.mean(subject_correct)), len(subject_correct), minimum=MIN_ZERO_SHOT),
        QualityGate("miniature CLIP zero-shot, style", float(np.mean(style_correct)), len(style_correct), minimum=MIN_ZERO_SHOT),
    ]


def judge_gates(build_dir: BuildDir) -> list[QualityGate]:
    """Lower bound of the concept judge's balanced accuracy, for the label of each task."""
    gate = read_gate(build_dir.folder / "judge")
    assert gate is not None
    labels = {label: result for label, result in gate.labels.items() if label.partition("/")[2] in {**TASKS, **HELD_OUT_TASKS}}
    return [
        QualityGate(f"concept judge, {label}, lower bound of balanced accuracy", result.low, result.positives, minimum=MIN_JUDGE_ACCURACY)
        for label, result in labels.items()
    ]


def measure_gates(build_dir: BuildDir) -> None:
    """Measure all gates, log them and save them as ``gates.json``."""
    gates = [*base_gates(build_dir), *gold_gates(build_dir), *clip_gates(build_dir), *judge_gates(build_dir)]
    for gate in gates:
        build_dir.progress.log("  ".join(gate.row()))
    rows = [gate.row() for gate in gates]
    build_dir.save("gates.json", 0, lambda path: path.write_text(json.dumps(rows, indent=1)))
