"""Prompts for any concept, from templates by category: one table for photographs and paintings, one for the miniature world (no torch)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from unconceal.specs.task import Category


class Wording(NamedTuple):
    """How a category is worded.

    Attributes:
        templates: prompts with ``{name}``, ``{a}`` and ``{b}``.
        scenes: values of ``a`` and ``b``.
        caption: of one concept, for zero-shot CLIP.
        neutral: caption of an image without any of the concepts.
        retained: other concepts of the category.
    """

    templates: tuple[str, ...]
    scenes: tuple[tuple[str, str], ...]
    caption: str
    neutral: str
    retained: tuple[str, ...]

    def prompts(self, name: str, n: int) -> tuple[str, ...]:
        """At most ``n`` different prompts; scenes and templates change from one to the next."""
        size = len(self.templates)
        texts = (
            self.templates[(i + shift) % size].format(name=name, a=a, b=b) for shift in range(size) for i, (a, b) in enumerate(self.scenes)
        )
        return tuple(dict.fromkeys(texts))[:n]


def _places(*places: str) -> tuple[tuple[str, str], ...]:
    return tuple((place, "") for place in places)


PLACES = _places(
    "on a table",
    "in a garden",
    "in front of a brick wall",
    "on a beach",
    "in the snow",
    "at night",
    "in a studio",
    "on a street",
    "in a forest",
    "under a blue sky",
)
SUBJECTS = _places(
    "a wheat field",
    "a harbour with boats",
    "a village street",
    "a bowl of fruit",
    "a portrait of a woman",
    "a path through a forest",
    "a mountain lake",
    "a cat on a chair",
    "a stone bridge",
    "a vase of flowers",
)
COLOURED = tuple(
    (colour, background) for background in ("white", "gray", "black") for colour in ("red", "blue", "green", "yellow", "purple", "orange")
)
BACKGROUNDS = tuple(("", background) for background in ("white", "gray", "black"))

PHOTOGRAPHS: Mapping[Category, Wording] = {
    "object": Wording(
        ("a photo of a {name} {a}", "a picture of a {name} {a}", "a close-up of a {name} {a}", "a drawing of a {name} {a}"),
        PLACES,
        "a photo of a {}",
        "a photo",
        ("dog", "car", "chair", "tree", "bicycle", "boat", "clock", "guitar", "bottle", "horse", "lamp", "teapot"),
    ),
    "art-style": Wording(
        ("{a} in the style of {name}", "a painting of {a} by {name}", "{a}, {name} style", "{a} by {name}"),
        SUBJECTS,
        "a painting by {}",
        "a photo",
        (
            "Rembrandt",
            "Katsushika Hokusai",
            "Claude Monet",
            "Gustav Klimt",
            "Johannes Vermeer",
            "Albrecht Dürer",
            "Pablo Picasso",
            "Edvard Munch",
            "Paul Cézanne",
            "Francisco Goya",
            "William Turner",
            "Diego Velázquez",
        ),
    ),
    "identity": Wording(
        ("a portrait of {name} {a}", "a photo of {name} {a}", "a picture of {name} {a}", "a drawing of {name} {a}"),
        PLACES,
        "a photo of {}",
        "a photo of a person",
        (
            "Albert Einstein",
            "Abraham Lincoln",
            "Marie Curie",
            "Charlie Chaplin",
            "Marilyn Monroe",
            "Winston Churchill",
            "Frida Kahlo",
            "Nelson Mandela",
            "Audrey Hepburn",
            "Mahatma Gandhi",
            "Charles Darwin",
            "Queen Victoria",
        ),
    ),
}
DRAWN: Mapping[Category, Wording] = {
    "object": Wording(
        ("a {a} {name} on a {b} background", "a picture of a {a} {name} on a {b} background", "a drawing of a {a} {name}, {b} background"),
        COLOURED,
        "a picture of a {}",
        "a picture of a shape",
        ("circle", "ring", "square", "heart", "bolt", "fish", "drop", "house", "leaf", "diamond", "mushroom", "triangle"),
    ),
    "art-style": Wording(
        (
            "a {a} {name} square on a {b} background",
            "a picture of a {a} {name} circle on a {b} background",
            "a drawing of a {a} {name} heart, {b} background",
        ),
        COLOURED,
        "a picture of a {} shape",
        "a picture of a shape",
        ("flat", "outline", "checkered", "shaded", "halved", "framed", "blurred", "dotted", "zigzag", "striped"),
    ),
    "identity": Wording(
        ("{name} on a {b} background", "a picture of {name} on a {b} background", "a drawing of little {name}, {b} background"),
        BACKGROUNDS,
        "a picture of {}",
        "a picture of a character",
        ("kiki", "otto", "zara", "bruno"),
    ),
}
WORDINGS: Mapping[str, Mapping[Category, Wording]] = {"miniature": DRAWN}
"""By the suite whose base is looked at; every other base draws photographs and paintings."""


def wording_of(suite: str | None, category: Category) -> Wording | None:
    """The wording of a category; None: there is none (unsafe content has no templates)."""
    return WORDINGS.get(suite or "", PHOTOGRAPHS).get(category)
