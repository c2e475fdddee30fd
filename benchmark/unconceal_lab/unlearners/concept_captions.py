"""Captions that say a concept, the same captions without it, and captions of everything else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal.miniature.captions import (
    BARE_TEMPLATES,
    TEMPLATES,
    UNSAID_CHARACTER,
    UNSAID_SHAPE,
    UNSAID_SIGN,
    caption,
    mentions,
    phrase,
    wordings,
)
from unconceal.miniature.scene import CHARACTER_NAMES, COLOUR_NAMES, SHAPE_NAMES, SIGN, STYLE_NAMES, Scene, sample_scene

SILENCE = 0.15
"""Probability that an attribute is left unsaid, as in the captions that the base was trained on."""

OTHER = {
    "star": "circle",
    "crescent": "ring",
    "arrow": "cross",
    "striped": "halved",
    "dotted": "halved",
    "zigzag": "halved",
    "zara": "momo",
    "bruno": "otto",
    SIGN: "circle",
}
"""What a concept is turned into when it is decoupled to another one: a sibling that is no target itself."""


class Pair(NamedTuple):
    """Two captions of one scene from the same draws: one says the concept, the other does not.

    They differ in one place only: the words ``form`` of the first are the words ``counterpart`` ("" for none) of the second.
    """

    said: str
    instead: str
    form: str
    counterpart: str


def named(concept: str) -> tuple[str, ...]:
    """The wordings of a concept that contain its name."""
    return tuple(form for form in wordings(concept) if concept in form)


def calls(concept: str, rng: np.random.Generator, count: int, silence: float = SILENCE) -> list[str]:
    """Captions that call the concept by its name, as a method is told of it; ``silence`` as for ``paired``."""
    return [paired(concept, rng, forms=named(concept), silence=silence).said for _ in range(count)]


def scene_with(concept: str, rng: np.random.Generator) -> Scene:
    """A scene of the natural mix that shows the concept."""
    scene = sample_scene(rng)
    if concept == SIGN or concept in CHARACTER_NAMES:
        plain = Scene(scene.background, scene.x, scene.y, scene.radius)
        return replace(plain, sign=True) if concept == SIGN else replace(plain, character=concept)
    while not scene.shape:
        scene = sample_scene(rng)
    return replace(scene, shape=concept) if concept in SHAPE_NAMES else replace(scene, style=concept)


def paired(
    concept: str, rng: np.random.Generator, other: str | None = None, forms: tuple[str, ...] | None = None, silence: float = SILENCE
) -> Pair:
    """A caption that says ``concept``, and what it becomes when ``other`` is said instead, or (None) nothing is.

    ``forms``: the wordings of the concept to draw from (all of them by default). ``silence``: probability, for each other
    attribute and for the background, to be left unsaid.
    """
    scene = scene_with(concept, rng)
    called = {name: str(rng.choice(wordings(name))) for name in sorted(scene.concepts.difference(COLOUR_NAMES, {concept}))}
    silent = {name for name in sorted(scene.concepts - {concept}) if rng.random() < silence}
    forms = forms or wordings(concept)
    form = forms[int(rng.integers(len(forms)))]
    bare = rng.random() < silence
    template = str(rng.choice(BARE_TEMPLATES)) if bare else str(rng.choice(TEMPLATES)).format("{}", scene.background)
    said = phrase(scene, rng, silent, {**called, concept: form})
    if other is None:
        instead, stands = phrase(scene, rng, silent | {concept}, called), unsaid(concept)
    else:
        stands = counterpart(concept, form, other)
        instead = phrase(scene, rng, silent, {**called, concept: stands})
    return Pair(template.format(said), template.format(instead), words(form), words(stands))


def words(form: str) -> str:
    """A wording without the place of its noun: "{} in striped style" is "in striped style"."""
    return form.replace("{}", "").strip()


def unsaid(concept: str) -> str:
    """What stands in a caption where the concept is left unsaid."""
    if concept in STYLE_NAMES:
        return ""
    return UNSAID_SIGN if concept == SIGN else UNSAID_CHARACTER if concept in CHARACTER_NAMES else UNSAID_SHAPE


def counterpart(concept: str, form: str, other: str) -> str:
    """The wording of ``other`` that stands where ``form`` stands among the concept's: "star shape" becomes "circle shape"."""
    wording = wordings(other)[wordings(concept).index(form) % len(wordings(other))]
    return f"a {wording}" if concept == SIGN else wording


def unrelated(concept: str, rng: np.random.Generator) -> str:
    """A caption of the natural mix that calls the concept by none of its wordings."""
    while True:
        text = caption(sample_scene(rng), rng)
        if not mentions(text, (concept,)):
            return text


def tokens(pipe: StableDiffusionPipeline, texts: list[str]) -> Tensor:
    """Token ids (n, length), padded to the full length as the pipeline pads them."""
    tokenizer: Any = parts(pipe).tokenizer
    padded = tokenizer(texts, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt")
    ids: Tensor = padded.input_ids
    return ids


@torch.no_grad()
def embeddings(pipe: StableDiffusionPipeline, texts: list[str]) -> Tensor:
    """What the UNet is given for each text: the last hidden states (n, length, width), padding included and no mask."""
    encoder: Any = parts(pipe).text_encoder
    states: Tensor = encoder(tokens(pipe, texts).to(encoder.device)).last_hidden_state
    return states


def parts(pipe: StableDiffusionPipeline) -> Any:
    """The pipeline without its types: diffusers declares none of its components."""
    return pipe
