"""Parse a raw reply into a sample: an answer, or the reason why it is invalid."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import ValidationError

from unconceal.probes.prompt import Question
from unconceal.specs.elicitation import Answer, Reply, Sample, normalize_name
from unconceal.specs.problems import mistakes_from_errors
from unconceal.specs.spec import Json

MAX_CHARACTERS, MAX_OBJECTS = 200_000, 50
"""Characters of a reply that are read, and opening braces that are tried."""
DECLINES = re.compile(
    r"\b(i'?m sorry|i apologi[sz]e|(can ?not|can't|won't|unable to|not able to) (help|assist|provide|comply|create|do|answer|fulfil))", re.I
)
"""Wording of refusals that are not marked as such."""


class UnusableReply(Exception):
    """Why a reply contains no valid answer: a stable code, and a sentence."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def parse_reply(reply: Reply, question: Question) -> Sample:
    """Parse a reply. Refused and truncated replies are not parsed further."""
    if reply.finish == "refusal":
        return Sample(reply=reply, outcome="refused", reason=shortened(reply.text) or "refused by the server")
    if reply.finish == "length":
        return Sample(reply=reply, outcome="truncated", reason="the reply reached the maximum number of tokens")
    try:
        return Sample(reply=reply, outcome="answered", answer=parse_answer(reply.text, question))
    except UnusableReply as problem:
        if "{" not in reply.text and DECLINES.search(reply.text[:500].replace("’", "'")):
            return Sample(reply=reply, outcome="refused", reason=shortened(reply.text))
        return Sample(reply=reply, outcome="invalid", reason=shortened(str(problem)))


def parse_answer(text: str, question: Question) -> Answer:
    """The answer in a reply, with concepts in canonical spelling.

    Raises:
        UnusableReply: it contains none, or one with mistakes.
    """
    values = clean_answer(first_object(text), canonical_name(question.candidates))
    try:
        answer = Answer.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        mistakes = list(mistakes_from_errors(Answer, error.errors(include_url=False)))
        reason = f"{mistakes[0].value}: {mistakes[0].consequence} ({len(mistakes)} mistakes in all)"
        raise UnusableReply(mistakes[0].code, reason) from error
    target = {normalize_name(name) for name in question.names}
    for neighbour in answer.neighbours:
        if normalize_name(neighbour.concept) in target:
            raise UnusableReply("probes.target-as-neighbour", f"neighbour {neighbour.concept!r}: is the target itself")
    return answer


def first_object(text: str) -> Json:
    """The first JSON object with neighbours. Text, code fences and reasoning around it are ignored.

    Raises:
        UnusableReply: there is none, or it repeats a field.
    """
    decoder = json.JSONDecoder(object_pairs_hook=unique_keys)
    for start in [match.start() for match in re.finditer(r"\{", text[:MAX_CHARACTERS])][:MAX_OBJECTS]:
        try:
            value, _ = decoder.raw_decode(text[:MAX_CHARACTERS], start)
        except (ValueError, RecursionError):
            continue
        if "neighbours" in value:
            return dict(value)
    raise UnusableReply("reply.no-object", "the reply: holds no JSON object with neighbours")


def unique_keys(pairs: list[tuple[str, Any]]) -> Json:
    """Refuse objects with repeated keys: choosing one of them would be silent."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise UnusableReply("reply.duplicate-field", "the reply: says a field twice")
    return dict(pairs)


def canonical_name(candidates: Iterable[str]) -> Callable[[Any], Any]:
    """A function to canonical names: listed concepts as listed, others normalized. Non-strings pass through to validation."""
    listed_names = {normalize_name(name): name for name in candidates}
    return lambda concept: listed_names.get(normalize_name(concept), normalize_name(concept)) if isinstance(concept, str) else concept


def clean_answer(values: Json, name: Callable[[Any], Any]) -> Json:
    """An answer's values without unprintable characters and repeated spaces, with canonical concept names."""
    values = {field: printable(value) for field, value in values.items()}
    neighbours, ranking = values.get("neighbours"), values.get("ranking")
    if isinstance(neighbours, list):
        values["neighbours"] = [with_canonical_name(neighbour, name) for neighbour in neighbours]
    if isinstance(ranking, list):
        values["ranking"] = [name(concept) for concept in ranking]
    return values


def with_canonical_name(neighbour: Any, name: Callable[[Any], Any]) -> Any:
    """A neighbour with its canonical concept name; anything else is unchanged."""
    has_concept = isinstance(neighbour, dict) and "concept" in neighbour
    return {**neighbour, "concept": name(neighbour["concept"])} if has_concept else neighbour


def printable(value: Any) -> Any:
    """Collapse all nested strings to one printable line."""
    if isinstance(value, str):
        return " ".join("".join(character if character.isprintable() else " " for character in value).split())
    if isinstance(value, list):
        return [printable(item) for item in value]
    return {name: printable(item) for name, item in value.items()} if isinstance(value, dict) else value


def shortened(text: str) -> str:
    """A text as one line of at most 200 characters."""
    line = str(printable(text))
    return line if len(line) <= 200 else line[:199] + "…"
