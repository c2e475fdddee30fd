"""The quality gates of the build: what must hold before a model is shipped, measured and printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unconceal.judges import clip
from unconceal.metrics.statistics import wilson
from unconceal_lab.build import sample_images
from unconceal_lab.build.recipe import FAMILIES, GOLDS, HELD_OUT_TASKS, TASKS, gold_name
from unconceal_lab.build.build_dir import BuildDir
from unconceal.miniature.captions import wordings
from unconceal_lab.models.classifiers import recognise
from unconceal.miniature.scene import (
    AMBIGUOUS,
    ASKED_SHAPES,
    ASKED_STYLES,
    BACKGROUND_NAMES,
    CHARACTER_NAMES,
    COLOUR_NAMES,
    SHAPE_NAMES,
    SIGN,
    STYLE_NAMES,
    Scene,
)
from unconceal.specs.judge_training import read_gate

PER_SHAPE, PER_STYLE = 80, 80
DRAWS, CHANCE, ZERO_SHOT, JUDGES = 0.95, 0.10, 0.90, 0.90


@dataclass(frozen=True)
class Gate:
    """One measured share against its bound; with neither bound it is only shown."""

    what: str
    share: float
    n: int
    least: float | None = None
    most: float | None = None

    @property
    def passed(self) -> bool:
        return (self.least is None or self.share >= self.least) and (self.most is None or self.share <= self.most)

    def row(self) -> list[str]:
        low, high = wilson(round(self.share * self.n), self.n)
        measured = [self.what, f"{self.share:.3f} [{low:.2f}, {high:.2f}]", str(self.n)]
        if self.least is None and self.most is None:
            return [*measured, "none", "not asked for"]
        bound = f"≥ {self.least:.2f}" if self.least is not None else f"≤ {self.most:.2f}"
        return [*measured, bound, "pass" if self.passed else "FAIL"]


def scenes_of(concept: str, count: int) -> list[Scene]:
    """Scenes that show one concept, everything else cycling through what is not ambiguous."""
    base = [Scene(BACKGROUND_NAMES[i % 3], 32, 32, 20) for i in range(count)]
    if concept == SIGN:
        return [Scene(scene.background, 32, 32, 20, sign=True) for scene in base]
    if concept in CHARACTER_NAMES:
        return [Scene(scene.background, 32, 32, 20, character=concept) for scene in base]
    shapes = [concept] if concept in SHAPE_NAMES else ASKED_SHAPES
    styles = [concept] if concept in STYLE_NAMES else ASKED_STYLES
    return [
        Scene(scene.background, 32, 32, 20, shape=shapes[i % len(shapes)], style=styles[i % len(styles)], colour=COLOUR_NAMES[(i // 3) % 6])
        for i, scene in enumerate(base)
    ]


def shown(shop: BuildDir, name: str, concepts: Sequence[str], count: int, start: int) -> dict[str, float]:
    """Share of a model's pictures of each concept in which the drawings classifier sees it."""
    painter, rng = sample_images.model(shop, name), np.random.default_rng(start)
    scenes = {concept: scenes_of(concept, count) for concept in concepts}
    prompts = [sample_images.full_caption(scene, rng) for group in scenes.values() for scene in group]
    said = recognise(shop.truth, sample_images.draw(painter, prompts, list(range(start, start + len(prompts)))).pixels)
    found = {}
    for place, concept in enumerate(concepts):
        answers = said["style" if concept in STYLE_NAMES else "subject"][place * count : (place + 1) * count]
        found[concept] = float(np.mean([answer == concept for answer in answers]))
    return found


def base_gates(shop: BuildDir, name: str = "base") -> list[Gate]:
    """Every shape, character, the sign and every style of the base's own pictures; the ambiguous ones have no bound."""
    subjects = shown(shop, name, (*SHAPE_NAMES, *CHARACTER_NAMES, SIGN), PER_SHAPE, 500_000)
    styles = shown(shop, name, STYLE_NAMES, PER_STYLE, 600_000)
    counted = [(found, PER_SHAPE) for found in subjects.items()] + [(found, PER_STYLE) for found in styles.items()]
    return [
        Gate(f"{name} draws {concept}", share, count, least=None if concept in AMBIGUOUS else DRAWS) for (concept, share), count in counted
    ]


def gold_gates(shop: BuildDir) -> list[Gate]:
    """Golds draw their own concepts but by chance (one of ten styles, one of twenty shapes: at most a tenth)."""
    return [
        Gate(
            f"{gold_name(family, number)} draws {concept}",
            shown(shop, gold_name(family, number), (concept,), PER_STYLE, 700_000)[concept],
            PER_STYLE,
            most=CHANCE,
        )
        for family in FAMILIES
        for number in GOLDS
        if shop.exists(f"{gold_name(family, number)}.pt")
        for concept in family
    ]


def clip_gates(shop: BuildDir) -> list[Gate]:
    """Zero-shot answers of the miniature CLIP on held-out drawings, over all subjects and over all styles."""
    model, world = clip.load(shop.folder / "clip"), shop.held_out
    subjects = (*SHAPE_NAMES, *CHARACTER_NAMES, SIGN)
    texts = [f"a picture of {wordings(name)[0]}" if name in (*CHARACTER_NAMES, SIGN) else f"a picture of a {name}" for name in subjects]
    said = model.zero_shot(np.array(world.pixels), texts)
    right = [subjects[i] == (scene.shape or scene.character or SIGN) for i, scene in zip(said, world.scenes, strict=True)]
    styled = [i for i, scene in enumerate(world.scenes) if scene.style]
    said = model.zero_shot(np.array(world.pixels[styled]), ["a picture of a " + wordings(name)[0].format("shape") for name in STYLE_NAMES])
    styles = [STYLE_NAMES[answer] == world.scenes[i].style for answer, i in zip(said, styled, strict=True)]
    return [
        Gate("miniature CLIP zero-shot, subject", float(np.mean(right)), len(right), least=ZERO_SHOT),
        Gate("miniature CLIP zero-shot, style", float(np.mean(styles)), len(styles), least=ZERO_SHOT),
    ]


def judge_gates(shop: BuildDir) -> list[Gate]:
    """The concept judge on held-out drawings and on the base's pictures of held-out captions, per task: lower bound ≥ .9."""
    kept = read_gate(shop.folder / "judge")
    assert kept is not None
    asked = {label: found for label, found in kept.labels.items() if label.partition("/")[2] in {**TASKS, **HELD_OUT_TASKS}}
    return [
        Gate(f"concept judge, {label}, lower bound of balanced accuracy", found.low, found.positives, least=JUDGES)
        for label, found in asked.items()
    ]


def measure_gates(shop: BuildDir) -> None:
    """All gates, printed and kept."""
    gates = [*base_gates(shop), *gold_gates(shop), *clip_gates(shop), *judge_gates(shop)]
    for gate in gates:
        shop.progress.say("  ".join(gate.row()))
    rows = [gate.row() for gate in gates]
    shop.keep("gates.json", 0, lambda path: path.write_text(json.dumps(rows, indent=1)))
