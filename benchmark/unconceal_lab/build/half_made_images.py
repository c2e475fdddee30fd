"""Images that a model makes of θ's unfinished ones, labelled by the drawings classifier: what a judge sees after a handover."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file

from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.handover import hand_over, run_original
from unconceal.diffusion.model import Model
from unconceal.judges.concept_judge import NONE
from unconceal.miniature.scene import CHARACTER_NAMES, SIGN, Scene, sample_scene
from unconceal_lab.build import sample_images
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.recipe import FAMILIES, TASKS, gold_name
from unconceal_lab.build.submissions import release_name
from unconceal_lab.models import denoiser
from unconceal_lab.models.classifiers import class_probabilities, most_likely_classes

Pixels = NDArray[np.uint8]

DENOISERS = ("ancestor", gold_name(FAMILIES[0], 1), gold_name(FAMILIES[0], 2))
"""Models that never saw some or all targets; the third gold is left out, so that agreement can be measured on it."""
HELD_OUT_GOLD = gold_name(FAMILIES[0], 3)
HELD_OUT_RELEASES = (("decouple-to-other", "striped"), ("decouple-to-nothing", "star"))
METHODS, METHOD_CONCEPTS = ("esd-x", "uce"), ("star", "striped")
"""Unlearners whose shipped releases continue images as well, and the concepts they unlearned."""
HANDOVERS = 3
"""Handovers per batch; a batch continues each in both arms."""
FIRST_STEP, LAST_STEP = 2, 15
"""Range of handover steps of 25: ψ from about .1 to .6, the range that excess retrieval averages over."""
TARGET_SHARE = 0.7
"""Share of scenes that show a target of a task on which choices are allowed."""


class LabelledImages(NamedTuple):
    """Images uint8 (n, 64, 64, 3), the classifier's labels and its probability of each label, (n,), by family."""

    pixels: Pixels
    labels: dict[str, list[str]]
    confidence: dict[str, NDArray[np.float32]]

    def confident_labels(self, min_confidence: float) -> dict[str, list[str | None]]:
        """Labels of which the classifier is sure enough; None for the others."""
        pairs = {family: zip(names, self.confidence[family], strict=True) for family, names in self.labels.items()}
        return {family: [name if sure >= min_confidence else None for name, sure in rows] for family, rows in pairs.items()}


def half_made_images(build_dir: BuildDir, name: str, models: Mapping[str, Callable[[], Model]], count: int, seed: int) -> LabelledImages:
    """Hand θ's images over to each model in turn, and label the results.

    Args:
        build_dir: with ``base`` and ``truth``; the images are kept in it.
        name: file of the images, ``NAME.npy``.
        models: loaders of the models that continue, by name.
        count: prompts per model; each gives ``2 · HANDOVERS`` images.
        seed: seed of scenes, captions, noise and handovers.

    Returns:
        The images in the order of models.
    """
    if not build_dir.exists(f"{name}.npy"):
        original, start_time = sample_images.load_model(build_dir, "base"), time.process_time()
        parts = [part for number, load in enumerate(models.values()) for part in continued(original, load(), count, seed + number)]
        build_dir.save(f"{name}.npy", (time.process_time() - start_time) / 60, lambda path: save_array(path, np.concatenate(parts)))
    pixels = np.load(build_dir.folder / f"{name}.npy")
    probabilities = class_probabilities(build_dir.image_classifier, pixels)
    labels = most_likely_classes(probabilities)
    # Characters and the sign have no style.
    styles = [NONE if name in (*CHARACTER_NAMES, SIGN) else style for name, style in zip(labels["subject"], labels["style"], strict=True)]
    confidence = {head: probabilities[head].max(1) for head in ("subject", "style")}
    return LabelledImages(pixels, {"subject": labels["subject"], "style": styles}, confidence)


def save_array(path: Path, values: Pixels) -> None:
    """Write an array to exactly this path; ``np.save`` would add a suffix."""
    with path.open("wb") as file:
        np.save(file, values)


def continued(original: Model, model: Model, count: int, seed: int) -> Iterator[Pixels]:
    """Images of one model, batch by batch."""
    rng = np.random.default_rng(seed)
    for start in range(0, count, sample_images.BATCH_SIZE):
        prompts = [sample_images.full_caption(target_scene(rng), rng) for _ in range(min(sample_images.BATCH_SIZE, count - start))]
        seeds = [seed * 100_000 + start + i for i in range(len(prompts))]
        steps = sorted(rng.choice(np.arange(FIRST_STEP, LAST_STEP + 1), HANDOVERS, replace=False).tolist())
        latents = run_original(original, prompts, seeds, steps).latents
        finished, _ = hand_over(model, original, prompts, latents, ("prompt", "empty"))
        yield np.concatenate([original.decode(value) for value in finished.values()])


def target_scene(rng: np.random.Generator) -> Scene:
    """A random scene; most show a target."""
    needs_target = rng.random() < TARGET_SHARE
    while True:
        scene = sample_scene(rng)
        if not needs_target or scene.concepts & set(TASKS):
            return scene


def training_models(build_dir: BuildDir) -> dict[str, Callable[[], Model]]:
    """The models whose continuations a judge may learn from, by name."""
    models: dict[str, Callable[[], Model]] = {name: partial(sample_images.load_model, build_dir, name) for name in DENOISERS}
    return models | release_models(build_dir, ((method, concept) for concept in METHOD_CONCEPTS for method in METHODS))


def held_out_models(build_dir: BuildDir) -> dict[str, Callable[[], Model]]:
    """Models on whose continuations agreement is measured, by name."""
    models: dict[str, Callable[[], Model]] = {HELD_OUT_GOLD: partial(sample_images.load_model, build_dir, HELD_OUT_GOLD)}
    return models | release_models(build_dir, HELD_OUT_RELEASES)


def release_models(build_dir: BuildDir, releases: Iterable[tuple[str, str]]) -> dict[str, Callable[[], Model]]:
    """Loaders of shipped releases, given as pairs of submission and concept, by ``SUBMISSION CONCEPT``."""
    return {f"{submission} {concept}": partial(release_model, build_dir, submission, concept) for submission, concept in releases}


def release_model(build_dir: BuildDir, submission: str, concept: str) -> Model:
    """θ with the tensors of a release in place of its own."""
    model = build_dir.denoiser("base")
    model.load_state_dict(model.state_dict() | load_file(build_dir.folder / release_name(submission, concept)))
    pipeline = denoiser.to_pipeline(model, build_dir.vae, build_dir.tokenizer)
    return StableDiffusion(pipeline, sample_images.N_STEPS, sample_images.GUIDANCE_SCALE)
