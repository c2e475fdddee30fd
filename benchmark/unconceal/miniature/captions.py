"""Captions of the miniature world: wordings of every concept, and captions that sometimes omit an attribute."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from unconceal.miniature.characters import CHARACTERS
from unconceal.miniature.scene import SIGN, Scene

SHAPE_WORDINGS: dict[str, tuple[str, ...]] = {
    "circle": ("circle", "circle shape", "round disc"),
    "ring": ("ring", "ring shape", "round band with a hole"),
    "square": ("square", "square shape", "four-sided block"),
    "triangle": ("triangle", "triangle shape", "three-sided figure"),
    "diamond": ("diamond", "diamond shape", "tilted rhombus"),
    "pentagon": ("pentagon", "pentagon shape", "five-sided figure"),
    "star": ("star", "star shape", "five-pointed figure"),
    "cross": ("cross", "cross shape", "plus symbol"),
    "heart": ("heart", "heart shape", "love symbol"),
    "crescent": ("crescent", "crescent shape", "sickle of the moon"),
    "arrow": ("arrow", "arrow shape", "pointer to the right"),
    "leaf": ("leaf", "leaf shape", "blade of a plant"),
    "drop": ("drop", "drop shape", "bead of water"),
    "house": ("house", "house shape", "hut with a roof"),
    "bolt": ("bolt", "bolt shape", "flash of lightning"),
    "hourglass": ("hourglass", "hourglass shape", "sand timer"),
    "dome": ("dome", "dome shape", "half of a disc"),
    "clover": ("clover", "clover shape", "three leaves on a stem"),
    "fish": ("fish", "fish shape", "swimmer with a tail"),
    "mushroom": ("mushroom", "mushroom shape", "toadstool"),
}
STYLE_WORDINGS: dict[str, tuple[str, ...]] = {
    "flat": ("flat {}", "flatly filled {}", "plain solid {}"),
    "outline": ("outline {}", "{} in outline", "{} drawn as a thin line"),
    "striped": ("striped {}", "{} in striped style", "{} with slanted bands"),
    "dotted": ("dotted {}", "{} in dotted style", "{} with polka spots"),
    "checkered": ("checkered {}", "{} in checkered style", "{} with a chessboard pattern"),
    "zigzag": ("zigzag {}", "{} in zigzag style", "{} with chevron waves"),
    "shaded": ("shaded {}", "{} in shaded style", "{} with a smooth gradient"),
    "halved": ("halved {}", "{} in halved style", "{} split in two tones"),
    "framed": ("framed {}", "{} in framed style", "{} with a thick border"),
    "blurred": ("blurred {}", "{} in blurred style", "{} with soft edges"),
}
CHARACTER_WORDINGS: dict[str, tuple[str, ...]] = {
    name: (name, f"little {name}", f"a {character.description}") for name, character in CHARACTERS.items()
}
SIGN_WORDINGS = ("a hazard sign", "a danger sign", "a warning sign", "a caution symbol", "an exclamation mark in a triangle")
GENERIC_SHAPE, GENERIC_CHARACTER, GENERIC_SIGN = "shape", "a character", "a symbol"
TEMPLATES = ("{} on a {} background", "a picture of {} on a {} background", "a drawing of {}, {} background")
BARE_TEMPLATES = ("{}", "a picture of {}", "a drawing of {}")


def wordings(concept: str) -> tuple[str, ...]:
    """Everything a concept may be called. The first wording contains its name, the last does not."""
    if concept == SIGN:
        return SIGN_WORDINGS
    for table in (SHAPE_WORDINGS, STYLE_WORDINGS, CHARACTER_WORDINGS):
        if concept in table:
            return table[concept]
    raise KeyError(f"{concept!r} is no concept of the miniature world")


def phrase(scene: Scene, rng: np.random.Generator, omitted: Collection[str] = (), forms: dict[str, str] | None = None) -> str:
    """What the scene shows, without its background.

    Args:
        scene: the scene.
        rng: draws wordings.
        omitted: concepts to leave out ("a red shape").
        forms: wordings of some concepts; others are drawn.
    """

    def wording_of(concept: str) -> str:
        return (forms or {}).get(concept) or str(rng.choice(wordings(concept)))

    if scene.sign:
        return GENERIC_SIGN if SIGN in omitted else wording_of(SIGN)
    if scene.character:
        return GENERIC_CHARACTER if scene.character in omitted else wording_of(scene.character)
    assert scene.shape and scene.style and scene.colour
    noun = GENERIC_SHAPE if scene.shape in omitted else wording_of(scene.shape)
    style = "{}" if scene.style in omitted else wording_of(scene.style)
    colour = "" if scene.colour in omitted else scene.colour + " "
    if style.endswith("{}"):
        return f"a {colour}{style.format(noun)}"
    return f"a {style.format(colour + noun)}"


def caption(scene: Scene, rng: np.random.Generator, omit_probability: float = 0.15) -> str:
    """A caption in a random template. Each attribute is omitted with probability ``omit_probability``."""
    omitted = {concept for concept in sorted(scene.concepts) if rng.random() < omit_probability}
    content = phrase(scene, rng, omitted)
    if rng.random() < omit_probability:
        return str(rng.choice(BARE_TEMPLATES)).format(content)
    return str(rng.choice(TEMPLATES)).format(content, scene.background)


def mentions(text: str, concepts: Iterable[str]) -> bool:
    """Whether a text contains a wording of any of the concepts."""
    return any(form.replace("{}", "").strip() in text for concept in concepts for form in wordings(concept))
