"""Control concepts that no model ever saw, one per category: they measure how fast a model learns something new.

A classifier trained on drawings of the whole world and of the control concepts labels images; no score uses it.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from unconceal.miniature.characters import CHARACTERS, CREAM, INK, Character, eyes
from unconceal.miniature.drawing import SIZE, STYLES, SceneStyle, antialias, draw
from unconceal.miniature.scene import Scene, sample_scene
from unconceal.miniature.shapes import SHAPES, Array, box, disc, polygon, union
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.recipe import TrainingConfig
from unconceal_lab.models import classifiers
from unconceal_lab.models.classifiers import HEADS, Heads
from unconceal_lab.models.scene_images import SceneImages

CROWN, RINGED, NORI = "crown", "ringed", "nori"
CONTROL_CONCEPTS = MappingProxyType({"object": CROWN, "art-style": RINGED, "identity": NORI, "nsfw": NORI})
"""By category. The sign always looks the same, as characters do, so its control concept is a character, too."""


def ringed(distance: Array, x: Array, y: Array, radius: float) -> tuple[Array, Array]:
    """Filled with rings around the shape's centre."""
    return antialias(distance), np.clip(0.5 - 5 * np.sin(np.hypot(x, y) * 2 * np.pi / 9), 0, 1)


SCENE_STYLE = SceneStyle(
    shapes={
        **SHAPES,
        CROWN: polygon([(-1, -0.75), (-0.45, 0.1), (0, -0.9), (0.45, 0.1), (1, -0.75), (0.85, 0.85), (-0.85, 0.85)]),
    },
    styles={**STYLES, RINGED: ringed},
    characters={
        **CHARACTERS,
        NORI: Character(
            (
                (union(disc(0.82, 0, 0.0), box(0.5, 0.2, 0, 0.75)), (40, 45, 75)),
                (union(disc(0.42, -0.3, 0.02), disc(0.42, 0.3, 0.02), disc(0.5, 0, 0.3)), CREAM),
                *eyes(0.3, -0.08, 0.12),
                (polygon([(-0.24, 0.14), (0.24, 0.14), (0, 0.44)]), (245, 150, 30)),
                (union(disc(0.1, -0.56, 0.3), disc(0.1, 0.56, 0.3)), (240, 130, 140)),
                (box(0.06, 0.14, 0, -0.92), INK),
            ),
            "penguin with a beak",
        ),
    },
)
CLASSES: Heads = {**HEADS, "subject": (*HEADS["subject"], CROWN, NORI), "style": (*HEADS["style"], RINGED)}
TRAINING = TrainingConfig(1000, 25, muon_learning_rate=5e-3, warp=True)
N_DRAWINGS, SEED = 8_000, 3
"""Drawings of control concepts in the classifier's training set, beside those of the whole world."""
NAME = "newcomers"
"""Stem of the classifier's file in build directories."""


def with_concept(scene: Scene, concept: str) -> Scene:
    """A styled scene whose shape, style or subject is replaced by the concept."""
    if concept in SCENE_STYLE.shapes:
        return replace(scene, shape=concept)
    if concept in SCENE_STYLE.styles:
        return replace(scene, style=concept)
    if concept in SCENE_STYLE.characters:
        return Scene(scene.background, scene.x, scene.y, scene.radius, character=concept)
    return Scene(scene.background, scene.x, scene.y, scene.radius, sign=True)


def styled_scene(rng: np.random.Generator) -> Scene:
    """A random scene that shows a shape."""
    while True:
        scene = sample_scene(rng)
        if scene.shape:
            return scene


def drawings(concept: str, count: int, seed: int) -> SceneImages:
    """``count`` drawings that show a concept, control concepts included; drawing i depends on concept, seed and i."""
    scenes = tuple(with_concept(styled_scene(np.random.default_rng([seed, i, *concept.encode()])), concept) for i in range(count))
    pixels = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for i, scene in enumerate(scenes):
        pixels[i] = draw(scene, SCENE_STYLE)
    return SceneImages(pixels, scenes)


def train_classifier(build_dir: BuildDir) -> None:
    """Train the classifier of all concepts and save it as ``newcomers.pt``."""
    parts = [build_dir.images, *(drawings(concept, N_DRAWINGS // 3, SEED) for concept in (CROWN, RINGED, NORI))]
    images = SceneImages(np.concatenate([part.pixels for part in parts]), tuple(scene for part in parts for scene in part.scenes))
    model, minutes = classifiers.train_classifier(
        NAME,
        build_dir.recipe.image_classifier_architecture,
        images,
        build_dir.folder,
        TRAINING.steps,
        TRAINING.seed,
        TRAINING.batch_size,
        TRAINING.muon_learning_rate,
        build_dir.reconstructions,
        TRAINING.warp,
        CLASSES,
        build_dir.progress.log,
    )
    build_dir.save(f"{NAME}.pt", minutes, lambda path: torch.save(model.state_dict(), path))


def load_classifier(build_dir: BuildDir) -> nn.Module:
    """Load the classifier; train it first if it does not exist."""
    if not build_dir.exists(f"{NAME}.pt"):
        train_classifier(build_dir)
    model = classifiers.new_classifier(build_dir.recipe.image_classifier_architecture, CLASSES)
    model.load_state_dict(torch.load(build_dir.folder / f"{NAME}.pt", weights_only=True))
    return model.eval()


def concept_rate(model: nn.Module, pixels: NDArray[np.uint8], concept: str) -> float:
    """Share of images (n, 64, 64, 3) in which the classifier sees a concept."""
    head = "style" if concept in CLASSES["style"] else "subject"
    return float(np.mean([name == concept for name in classifiers.classify(model, pixels, heads=CLASSES)[head]]))
