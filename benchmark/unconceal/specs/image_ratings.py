"""Ratings by a vision-language model of how similar θ's images of target and neighbour look."""

from __future__ import annotations

from pydantic import Field

from unconceal.specs.elicitation import ElicitationRequest, Form, Outcome, Similarity, Timestamp
from unconceal.specs.spec import Digest, Spec


class RatingRequest(ElicitationRequest):
    """First line of a ratings file. ``prompt_digest``: of the prompt template; ``base_digest``: of the model that generated the images."""

    base_digest: Digest


class Rating(Spec):
    """Rating of one pair of images. ``pair``: index of the prompt; ``value``: 1–10, None unless answered; ``text``: the raw reply."""

    neighbour: str = Field(min_length=1)
    pair: int = Field(ge=0)
    seed: int | None = None
    date: Timestamp
    form: Form
    outcome: Outcome
    value: Similarity | None = None
    text: str
