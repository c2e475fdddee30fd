"""The prompt that asks a vision-language model how similar two images look, from 1 to 10."""

from __future__ import annotations

import json
from typing import NamedTuple

from unconceal.probes.prompt import Question, object_schema
from unconceal.probes.providers import Provider
from unconceal.probes.replies import shortened
from unconceal.specs.elicitation import Decoding, Form, Outcome
from unconceal.specs.spec import Json

VERSION = 1
"""Raised with any change of the text below or of the schema."""
SCHEMA: Json = object_schema({"likeness": {"type": "integer", "minimum": 1, "maximum": 10}})
TEXT = """\
The first picture shows {target}, the second shows {neighbour}. How alike do the two things look? Judge what is shown, in shape, parts and \
texture; pay no attention to position, size and background.

Answer with one JSON object and nothing else: "likeness" is an integer from 1 (nothing in common) to 10 (nearly the same). \
It must fit this JSON Schema:
{schema}
"""


class RatingReply(NamedTuple):
    """``value``: 1–10, higher is more similar; None unless ``outcome`` is answered, with ``reason``.

    ``text``: the raw reply; ``form``: how the schema was enforced.
    """

    value: int | None
    outcome: Outcome
    reason: str
    text: str
    form: Form = "free"


def rating_question(target: str, neighbour: str, images: tuple[bytes, bytes]) -> Question:
    """The prompt for one pair; ``images``: PNG files of target and neighbour."""
    return Question(TEXT.format(target=target, neighbour=neighbour, schema=json.dumps(SCHEMA)), SCHEMA, images=images)


def rate_pair(provider: Provider, question: Question, decoding: Decoding, seed: int = 0) -> RatingReply:
    """Request one rating. Refused, truncated and invalid replies have no value.

    Raises:
        UnconcealError: the provider cannot be reached or accepts no images, or an image is not a PNG.
    """
    reply = provider.ask(question, decoding, 0, seed)
    if reply.finish != "stop":
        outcome: Outcome = "refused" if reply.finish == "refusal" else "truncated"
        return RatingReply(None, outcome, shortened(reply.text), reply.text, reply.form)
    value = parse_rating(reply.text)
    if value is None:
        return RatingReply(
            None, "invalid", f"the reply: holds no likeness from 1 to 10 ({shortened(reply.text)[:80]})", reply.text, reply.form
        )
    return RatingReply(value, "answered", "", reply.text, reply.form)


def parse_rating(text: str) -> int | None:
    """The integer from 1 to 10 in the reply's JSON object, or None."""
    start, end = text.find("{"), text.rfind("}")
    try:
        value = json.loads(text[start : end + 1]).get("likeness") if 0 <= start < end else None
    except (ValueError, RecursionError, AttributeError):
        return None
    return value if type(value) is int and 1 <= value <= 10 else None
