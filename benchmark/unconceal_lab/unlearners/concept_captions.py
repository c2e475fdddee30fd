"""Captions that mention a concept, the same captions without it, and captions that do not mention it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal.miniature.captions import (
    BARE_TEMPLATES,
    GENERIC_CHARACTER,
    GENERIC_SHAPE,
    GENERIC_SIGN,
    TEMPLATES,
    caption,
    mentions,
    phrase,
    wordings,
)
from unconceal.miniature.scene import CHARACTER_NAMES, COLOUR_NAMES, SHAPE_NAMES, SIGN, STYLE_NAMES, Scene, sample_scene

OMIT_PROBABILITY = 0.15
"""Probability that a caption omits an attribute, as in the base's training captions."""

SUBSTITUTES = {
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
"""Sibling that replaces a concept; no sibling is a target itself."""


class CaptionPair(NamedTuple):
    """Two captions of one scene that differ in the concept only.

    Attributes:
        text: the caption that mentions the concept.
        replacement: the caption that does not.
        form: the concept's words in ``text``.
        counterpart: the words in their place in ``replacement``; may be empty.
    """

    text: str
    replacement: str
    form: str
    counterpart: str


def forms_with_name(concept: str) -> tuple[str, ...]:
    """Wordings of a concept that contain its name."""
    return tuple(form for form in wordings(concept) if concept in form)


def name_captions(concept: str, rng: np.random.Generator, count: int, omit_probability: float = OMIT_PROBABILITY) -> list[str]:
    """Captions that call the concept by its name. ``omit_probability`` as in :func:`caption_pair`."""
    return [caption_pair(concept, rng, forms=forms_with_name(concept), omit_probability=omit_probability).text for _ in range(count)]


def scene_with(concept: str, rng: np.random.Generator) -> Scene:
    """A random scene that shows the concept."""
    scene = sample_scene(rng)
    if concept == SIGN or concept in CHARACTER_NAMES:
        scene_without_shape = Scene(scene.background, scene.x, scene.y, scene.radius)
        return replace(scene_without_shape, sign=True) if concept == SIGN else replace(scene_without_shape, character=concept)
    while not scene.shape:
        scene = sample_scene(rng)
    return replace(scene, shape=concept) if concept in SHAPE_NAMES else replace(scene, style=concept)


def caption_pair(
    concept: str,
    rng: np.random.Generator,
    other: str | None = None,
    forms: tuple[str, ...] | None = None,
    omit_probability: float = OMIT_PROBABILITY,
) -> CaptionPair:
    """A caption that mentions a concept, and the same caption without it.

    Args:
        concept: the concept.
        rng: draws scene, wordings and omissions.
        other: the concept to mention instead; None mentions none.
        forms: wordings to draw from; all of the concept's by default.
        omit_probability: probability to omit each other attribute, and the background.
    """
    scene = scene_with(concept, rng)
    forms_by_name = {name: str(rng.choice(wordings(name))) for name in sorted(scene.concepts.difference(COLOUR_NAMES, {concept}))}
    omitted = {name for name in sorted(scene.concepts - {concept}) if rng.random() < omit_probability}
    forms = forms or wordings(concept)
    form = forms[int(rng.integers(len(forms)))]
    omit_background = rng.random() < omit_probability
    template = str(rng.choice(BARE_TEMPLATES)) if omit_background else str(rng.choice(TEMPLATES)).format("{}", scene.background)
    content = phrase(scene, rng, omitted, {**forms_by_name, concept: form})
    if other is None:
        replacement, counterpart_form = phrase(scene, rng, omitted | {concept}, forms_by_name), neutral_wording(concept)
    else:
        counterpart_form = counterpart(concept, form, other)
        replacement = phrase(scene, rng, omitted, {**forms_by_name, concept: counterpart_form})
    return CaptionPair(template.format(content), template.format(replacement), form_text(form), form_text(counterpart_form))


def form_text(form: str) -> str:
    """A wording without placeholder: "{} in striped style" becomes "in striped style"."""
    return form.replace("{}", "").strip()


def neutral_wording(concept: str) -> str:
    """Words in place of an omitted concept."""
    if concept in STYLE_NAMES:
        return ""
    return GENERIC_SIGN if concept == SIGN else GENERIC_CHARACTER if concept in CHARACTER_NAMES else GENERIC_SHAPE


def counterpart(concept: str, form: str, other: str) -> str:
    """The wording of ``other`` that corresponds to ``form``: "star shape" becomes "circle shape"."""
    wording = wordings(other)[wordings(concept).index(form) % len(wordings(other))]
    return f"a {wording}" if concept == SIGN else wording


def unrelated_caption(concept: str, rng: np.random.Generator) -> str:
    """A random caption that does not mention the concept."""
    while True:
        text = caption(sample_scene(rng), rng)
        if not mentions(text, (concept,)):
            return text


def tokenize(pipeline: StableDiffusionPipeline, texts: list[str]) -> Tensor:
    """Token ids (n, length), padded to full length as the pipeline does."""
    tokenizer: Any = components(pipeline).tokenizer
    padded = tokenizer(texts, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt")
    ids: Tensor = padded.input_ids
    return ids


@torch.no_grad()
def encode_prompts(pipeline: StableDiffusionPipeline, texts: list[str]) -> Tensor:
    """Prompt embeddings (n, length, width): last hidden states, padding included, without attention mask."""
    encoder: Any = components(pipeline).text_encoder
    states: Tensor = encoder(tokenize(pipeline, texts).to(encoder.device)).last_hidden_state
    return states


def components(pipeline: StableDiffusionPipeline) -> Any:
    """The pipeline, untyped: diffusers declares no component attributes."""
    return pipeline
