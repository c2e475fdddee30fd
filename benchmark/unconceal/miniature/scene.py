"""Scenes and concepts of the miniature world, and the distribution that scenes are sampled from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SHAPE_NAMES = (
    "circle",
    "ring",
    "square",
    "triangle",
    "diamond",
    "pentagon",
    "star",
    "cross",
    "heart",
    "crescent",
    "arrow",
    "leaf",
    "drop",
    "house",
    "bolt",
    "hourglass",
    "dome",
    "clover",
    "fish",
    "mushroom",
)
STYLE_NAMES = ("flat", "outline", "striped", "dotted", "checkered", "zigzag", "shaded", "halved", "framed", "blurred")
COLOUR_NAMES = ("red", "orange", "yellow", "green", "blue", "purple")
BACKGROUND_NAMES = ("white", "black", "gray")
CHARACTER_NAMES = ("momo", "pip", "zara", "bruno", "kiki", "otto")
SIGN = "hazard sign"

TARGETS = ("star", "crescent", "striped", "dotted", "zara", "bruno", SIGN)
"""Concepts of tasks. The ancestor never saw them."""
HELD_OUT = ("arrow", "zigzag")
"""Also unseen by the ancestor; no hyperparameter was tuned on them."""

AMBIGUOUS = ("checkered", "zigzag", "framed")
"""Concepts that the base confuses at this size. They appear in training images, but in no gate bound, task or prompt."""
UNAMBIGUOUS_SHAPES = tuple(name for name in SHAPE_NAMES if name not in AMBIGUOUS)
UNAMBIGUOUS_STYLES = tuple(name for name in STYLE_NAMES if name not in AMBIGUOUS)

SHARE_OF_CHARACTERS, SHARE_OF_SIGN = 0.18, 0.04


@dataclass(frozen=True)
class Scene:
    """One image: a styled shape, a character or the sign, on a plain background. Lengths in pixels of 64."""

    background: str
    x: float
    y: float
    radius: float
    shape: str | None = None
    style: str | None = None
    colour: str | None = None
    character: str | None = None
    sign: bool = False

    @property
    def concepts(self) -> frozenset[str]:
        """Every concept that the image shows."""
        names = (self.shape, self.style, self.colour, self.character, SIGN if self.sign else None)
        return frozenset(name for name in names if name)


def sample_scene(rng: np.random.Generator) -> Scene:
    """A random scene; concepts of one kind are equally likely."""
    radius = float(rng.uniform(17, 24))
    slack = 30 - radius
    x, y = (float(32 + rng.uniform(-slack, slack)) for _ in range(2))
    background = str(rng.choice(BACKGROUND_NAMES))
    kind = rng.random()
    if kind < SHARE_OF_SIGN:
        return Scene(background, x, y, radius, sign=True)
    if kind < SHARE_OF_SIGN + SHARE_OF_CHARACTERS:
        return Scene(background, x, y, radius, character=str(rng.choice(CHARACTER_NAMES)))
    shape, style, colour = (str(rng.choice(names)) for names in (SHAPE_NAMES, STYLE_NAMES, COLOUR_NAMES))
    return Scene(background, x, y, radius, shape=shape, style=style, colour=colour)
