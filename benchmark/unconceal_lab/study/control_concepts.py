"""Concepts that no model ever saw, one of each kind: how long does it take a model to learn something truly new?

A classifier trained on drawings of the whole world and of these tells what a picture shows; no score uses it.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from unconceal.miniature.characters import CHARACTERS, CREAM, INK, Character, eyes
from unconceal.miniature.drawing import SIZE, STYLES, Forms, covered, draw
from unconceal.miniature.scene import Scene, sample_scene
from unconceal.miniature.shapes import SHAPES, Array, box, disc, polygon, union
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.recipe import Training
from unconceal_lab.models import classifiers
from unconceal_lab.models.classifiers import HEADS, Heads
from unconceal_lab.models.drawings import Pictures

CROWN, RINGED, NORI = "crown", "ringed", "nori"
NEWCOMERS = MappingProxyType({"object": CROWN, "art-style": RINGED, "identity": NORI, "nsfw": NORI})
"""By category. The sign has one look, as characters have, so its newcomer is a character too."""


def ringed(distance: Array, x: Array, y: Array, radius: float) -> tuple[Array, Array]:
    """Filled with rings around the shape's centre."""
    return covered(distance), np.clip(0.5 - 5 * np.sin(np.hypot(x, y) * 2 * np.pi / 9), 0, 1)


FORMS = Forms(
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
ALL: Heads = {**HEADS, "subject": (*HEADS["subject"], CROWN, NORI), "style": (*HEADS["style"], RINGED)}
CLASSIFIER = Training(1000, 25, muon=5e-3, warped=True)
DRAWN, SEED = 8_000, 3
"""Drawings of newcomers that the classifier learns from, beside the whole world's."""
NAME = "newcomers"


def shown_by(concept: str, plain: Scene) -> Scene:
    """A styled scene that shows the concept instead of what it showed of its kind."""
    if concept in FORMS.shapes:
        return replace(plain, shape=concept)
    if concept in FORMS.styles:
        return replace(plain, style=concept)
    if concept in FORMS.characters:
        return Scene(plain.background, plain.x, plain.y, plain.radius, character=concept)
    return Scene(plain.background, plain.x, plain.y, plain.radius, sign=True)


def styled_scene(rng: np.random.Generator) -> Scene:
    """A shape of the natural mix in its style, colour and place."""
    while True:
        found = sample_scene(rng)
        if found.shape:
            return found


def drawings(concept: str, count: int, seed: int) -> Pictures:
    """``count`` drawings that show a concept, newcomers included; drawing i depends on concept, seed and i."""
    scenes = tuple(shown_by(concept, styled_scene(np.random.default_rng([seed, i, *concept.encode()]))) for i in range(count))
    pixels = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for i, scene in enumerate(scenes):
        pixels[i] = draw(scene, FORMS)
    return Pictures(pixels, scenes)


def make_classifier(shop: BuildDir) -> None:
    """Train the classifier that knows the newcomers and keep it as ``newcomers.pt``."""
    parts = [shop.world, *(drawings(concept, DRAWN // 3, SEED) for concept in (CROWN, RINGED, NORI))]
    everything = Pictures(np.concatenate([part.pixels for part in parts]), tuple(scene for part in parts for scene in part.scenes))
    how = CLASSIFIER
    model, minutes = classifiers.train(
        NAME,
        shop.recipe.truth_architecture,
        everything,
        shop.folder,
        how.steps,
        how.seed,
        how.batch,
        how.muon,
        shop.softened,
        how.warped,
        ALL,
        shop.progress.say,
    )
    shop.keep(f"{NAME}.pt", minutes, lambda path: torch.save(model.state_dict(), path))


def classifier(shop: BuildDir) -> nn.Module:
    """The classifier, trained first where it is missing."""
    if not shop.exists(f"{NAME}.pt"):
        make_classifier(shop)
    model = classifiers.new(shop.recipe.truth_architecture, ALL)
    model.load_state_dict(torch.load(shop.folder / f"{NAME}.pt", weights_only=True))
    return model.eval()


def rate(model: nn.Module, pixels: NDArray[np.uint8], concept: str) -> float:
    """Share of pictures (n, 64, 64, 3) in which the classifier sees a concept."""
    head = "style" if concept in ALL["style"] else "subject"
    return float(np.mean([name == concept for name in classifiers.recognise(model, pixels, heads=ALL)[head]]))
