"""How alike two pictures look to a vision-language model: target and neighbour side by side, from 1 to 10."""

from __future__ import annotations

import json
from typing import NamedTuple

from unconceal.probes.prompt import Question, whole
from unconceal.probes.providers import Provider
from unconceal.probes.replies import shortened
from unconceal.specs.elicitation import Decoding, Form, Outcome
from unconceal.specs.spec import Json

VERSION = 1
"""Rises with any change of the words below or of the schema."""
SCHEMA: Json = whole({"likeness": {"type": "integer", "minimum": 1, "maximum": 10}})
TEXT = """\
The first picture shows {target}, the second shows {neighbour}. How alike do the two things look? Judge what is shown, in shape, parts and \
texture; pay no attention to position, size and background.

Answer with one JSON object and nothing else: "likeness" is an integer from 1 (nothing in common) to 10 (nearly the same). \
It must fit this JSON Schema:
{schema}
"""


class Likeness(NamedTuple):
    """``value``: 1–10, higher is more alike; None where ``outcome`` is not answered, and ``reason`` says why.

    ``text``: the raw reply; ``form``: what held it to the schema.
    """

    value: int | None
    outcome: Outcome
    reason: str
    text: str
    form: Form = "free"


def likeness_question(target: str, neighbour: str, pictures: tuple[bytes, bytes]) -> Question:
    """The question about one pair; ``pictures``: PNG files of the target and of the neighbour."""
    return Question(TEXT.format(target=target, neighbour=neighbour, schema=json.dumps(SCHEMA)), SCHEMA, pictures=pictures)


def likeness(provider: Provider, question: Question, decoding: Decoding, seed: int = 0) -> Likeness:
    """Ask once. A refusal, a cut reply and one that fits no schema have no value.

    Raises:
        UnconcealError: the provider cannot be reached, takes no pictures, or a picture is no PNG.
    """
    heard = provider.ask(question, decoding, 0, seed)
    if heard.finish != "stop":
        outcome: Outcome = "refused" if heard.finish == "refusal" else "truncated"
        return Likeness(None, outcome, shortened(heard.text), heard.text, heard.form)
    value = value_in(heard.text)
    if value is None:
        return Likeness(
            None, "invalid", f"the reply: holds no likeness from 1 to 10 ({shortened(heard.text)[:80]})", heard.text, heard.form
        )
    return Likeness(value, "answered", "", heard.text, heard.form)


def value_in(text: str) -> int | None:
    """The whole number from 1 to 10 in the reply's object; None where there is none."""
    start, end = text.find("{"), text.rfind("}")
    try:
        value = json.loads(text[start : end + 1]).get("likeness") if 0 <= start < end else None
    except (ValueError, RecursionError, AttributeError):
        return None
    return value if type(value) is int and 1 <= value <= 10 else None
