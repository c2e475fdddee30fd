"""How alike θ's pictures of target and neighbour look to a vision-language model: what was shown, and what it said."""

from __future__ import annotations

from pydantic import Field

from unconceal.specs.elicitation import ElicitationRequest, Form, Outcome, Similarity, Timestamp
from unconceal.specs.spec import Digest, Spec


class RatingRequest(ElicitationRequest):
    """The first line of a file of ratings: who was shown whose pictures. ``prompt_digest``: of the words with the names left open;
    ``base``: of the model that drew."""

    base_digest: Digest


class Rating(Spec):
    """One pair. ``pair``: from 0, the number of the prompts; ``value``: 1–10, None unless answered; ``text``: the raw reply."""

    neighbour: str = Field(min_length=1)
    pair: int = Field(ge=0)
    seed: int | None = None
    date: Timestamp
    form: Form
    outcome: Outcome
    value: Similarity | None = None
    text: str
