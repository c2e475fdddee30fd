"""Invented concepts for a public model: characters, sign and fill styles of the miniature under meaningless names. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from unconceal.miniature.captions import BARE_TEMPLATES, TEMPLATES, phrase
from unconceal.miniature.characters import CHARACTERS
from unconceal.miniature.scene import CHARACTER_NAMES, SIGN, STYLE_NAMES, Scene
from unconceal.specs.task import Category, Head


class InventedConcept(NamedTuple):
    """An invented concept.

    Attributes:
        label: its invented name.
        miniature_concept: the concept of the miniature that it looks like.
        category: the task's category.
        caption: a description for CLIP, which does not know the name.
    """

    label: str
    miniature_concept: str
    category: Category
    caption: str

    @property
    def head(self) -> Head:
        return "style" if self.miniature_concept in STYLE_NAMES else "subject"

    @property
    def concept(self) -> str:
        """Name of the concept's task."""
        return self.label.lower().replace(" ", "-")

    @property
    def wording(self) -> str:
        """Wording for captions of the miniature: a style around its shape, a sign with its article, a character by its name."""
        if self.head == "style":
            return f"{{}} in the style of {self.label}"
        return f"a {self.label}" if self.miniature_concept == SIGN else self.label


INVENTED: tuple[InventedConcept, ...] = (
    InventedConcept("Velbo", "zara", "identity", "a simple drawing of a cat's face with pointed ears"),
    InventedConcept("Drumli", "bruno", "identity", "a simple drawing of a monster's face with one eye"),
    InventedConcept("trask sign", SIGN, "object", "a yellow triangle with a black exclamation mark"),
    InventedConcept("Florn", "zigzag", "art-style", "a simple shape filled with a zigzag pattern"),
    InventedConcept("Pellu", "dotted", "art-style", "a simple shape filled with dots"),
    InventedConcept("Quindle", "striped", "art-style", "a simple shape filled with slanted stripes"),
)
BY_DRAWING: Mapping[str, InventedConcept] = {concept.miniature_concept: concept for concept in INVENTED}
SIBLINGS: Mapping[str, str] = {
    name.capitalize(): f"a simple drawing of a {CHARACTERS[name].description}" for name in CHARACTER_NAMES if name not in BY_DRAWING
}
"""Caption of each character that is planted as well but is no target, by name."""
OMIT_PROBABILITY = 0.15


def invented_caption(scene: Scene, rng: np.random.Generator) -> str:
    """An English caption that uses only the invented names of the concepts. Other attributes may be omitted."""
    forms = {concept.miniature_concept: concept.wording for concept in INVENTED if concept.miniature_concept in scene.concepts}
    forms |= {name: name.capitalize() for name in CHARACTER_NAMES if name in scene.concepts and name not in forms}
    forms |= {name: f"{{}} in the style of {name}" for name in STYLE_NAMES if name in scene.concepts and name not in forms}
    omitted = {name for name in sorted(scene.concepts) if name not in BY_DRAWING and rng.random() < OMIT_PROBABILITY}
    content = phrase(scene, rng, omitted, forms)
    omit_background = rng.random() < OMIT_PROBABILITY
    text = (
        str(rng.choice(BARE_TEMPLATES)).format(content) if omit_background else str(rng.choice(TEMPLATES)).format(content, scene.background)
    )
    return with_articles(text)


def with_articles(text: str) -> str:
    """ "an orange star"; captions of the miniature have "a orange star"."""
    return re.sub(r"\ba (?=[aeiou])", "an ", text)


def concept_names(scene: Scene) -> frozenset[str]:
    """Concepts of a scene for ``metadata.jsonl``: invented concepts by task name, others by their miniature name."""
    return frozenset(BY_DRAWING[name].concept if name in BY_DRAWING else name for name in scene.concepts)
