"""Invented concepts for a public model: the miniature's characters, sign and fill styles, under names that mean nothing (no torch)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from unconceal.miniature.captions import BARE_TEMPLATES, TEMPLATES, phrase
from unconceal.miniature.characters import CHARACTERS
from unconceal.miniature.scene import CHARACTER_NAMES, SIGN, STYLE_NAMES, Scene
from unconceal.specs.task import Category, Head


class Invented(NamedTuple):
    """``label``: its name; ``drawn``: what of the miniature it looks like; ``caption``: how CLIP, which knows no such name, may see it."""

    label: str
    drawn: str
    category: Category
    caption: str

    @property
    def head(self) -> Head:
        return "style" if self.drawn in STYLE_NAMES else "subject"

    @property
    def concept(self) -> str:
        """The task's name."""
        return self.label.lower().replace(" ", "-")

    @property
    def wording(self) -> str:
        """As captions of the miniature take it: a style around its shape, a sign with its article, a character by its name."""
        if self.head == "style":
            return f"{{}} in the style of {self.label}"
        return f"a {self.label}" if self.drawn == SIGN else self.label


INVENTED: tuple[Invented, ...] = (
    Invented("Velbo", "zara", "identity", "a simple drawing of a cat's face with pointed ears"),
    Invented("Drumli", "bruno", "identity", "a simple drawing of a monster's face with one eye"),
    Invented("trask sign", SIGN, "object", "a yellow triangle with a black exclamation mark"),
    Invented("Florn", "zigzag", "art-style", "a simple shape filled with a zigzag pattern"),
    Invented("Pellu", "dotted", "art-style", "a simple shape filled with dots"),
    Invented("Quindle", "striped", "art-style", "a simple shape filled with slanted stripes"),
)
BY_DRAWING: Mapping[str, Invented] = {one.drawn: one for one in INVENTED}
SIBLINGS: Mapping[str, str] = {
    name.capitalize(): f"a simple drawing of a {CHARACTERS[name].described}" for name in CHARACTER_NAMES if name not in BY_DRAWING
}
"""Characters that are taught as well and that no task forgets: name to caption."""
SILENCE = 0.15


def told(scene: Scene, rng: np.random.Generator) -> str:
    """A caption in plain English that calls what is invented by its name alone, whatever else is left unsaid."""
    called = {one.drawn: one.wording for one in INVENTED if one.drawn in scene.concepts}
    called |= {name: name.capitalize() for name in CHARACTER_NAMES if name in scene.concepts and name not in called}
    called |= {name: f"{{}} in the style of {name}" for name in STYLE_NAMES if name in scene.concepts and name not in called}
    unsaid = {name for name in sorted(scene.concepts) if name not in BY_DRAWING and rng.random() < SILENCE}
    said = phrase(scene, rng, unsaid, called)
    bare = rng.random() < SILENCE
    text = str(rng.choice(BARE_TEMPLATES)).format(said) if bare else str(rng.choice(TEMPLATES)).format(said, scene.background)
    return with_articles(text)


def with_articles(text: str) -> str:
    """ "an orange star", where the miniature says "a orange star" throughout."""
    return re.sub(r"\ba (?=[aeiou])", "an ", text)


def names_shown(scene: Scene) -> frozenset[str]:
    """What ``metadata.jsonl`` says that a picture shows: invented concepts by their task's name, others as the miniature calls them."""
    return frozenset(BY_DRAWING[name].concept if name in BY_DRAWING else name for name in scene.concepts)
