"""From a raw reply to a sample: an answer, or the reason why it is none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import ValidationError

from unconceal.probes.prompt import Question
from unconceal.specs.elicitation import Answer, Reply, Sample, spelled
from unconceal.specs.problems import mistakes_of
from unconceal.specs.spec import Json

LONGEST, OBJECTS = 200_000, 50
"""Characters of a reply that are read, and opening braces that are tried."""
DECLINES = re.compile(
    r"\b(i'?m sorry|i apologi[sz]e|(can ?not|can't|won't|unable to|not able to) (help|assist|provide|comply|create|do|answer|fulfil))", re.I
)
"""How a model declines in words, where nothing marks the reply as a refusal."""


class Unusable(Exception):
    """Why a reply is no answer, in a few words."""


def sample_of(reply: Reply, question: Question) -> Sample:
    """Read a reply. What was refused or cut is not read any further: half an answer is none."""
    if reply.finish == "refusal":
        return Sample(reply=reply, outcome="refused", reason=shortened(reply.text) or "the server says so")
    if reply.finish == "length":
        return Sample(reply=reply, outcome="truncated", reason="the reply was cut at the greatest number of tokens")
    try:
        return Sample(reply=reply, outcome="answered", answer=answer_in(reply.text, question))
    except Unusable as why:
        if "{" not in reply.text and DECLINES.search(reply.text[:500].replace("’", "'")):
            return Sample(reply=reply, outcome="refused", reason=shortened(reply.text))
        return Sample(reply=reply, outcome="invalid", reason=shortened(str(why)))


def answer_in(text: str, question: Question) -> Answer:
    """The answer that a reply holds, concepts spelled as they are compared, or as the question lists them.

    Raises:
        Unusable: it holds none, or one with mistakes.
    """
    values = tidied(object_in(text), named_as(question.candidates))
    try:
        answer = Answer.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        found = list(mistakes_of(Answer, error.errors(include_url=False)))
        raise Unusable(f"{found[0].value}: {found[0].consequence} ({len(found)} mistakes in all)") from error
    target = {spelled(name) for name in question.names}
    for neighbour in answer.neighbours:
        if spelled(neighbour.concept) in target:
            raise Unusable(f"neighbour {neighbour.concept!r}: is the target itself")
    return answer


def object_in(text: str) -> Json:
    """The first JSON object in a reply that has neighbours: words, fences and reasoning around it do not matter.

    Raises:
        Unusable: there is none, or it says a field twice.
    """
    decoder = json.JSONDecoder(object_pairs_hook=once)
    for start in [found.start() for found in re.finditer(r"\{", text[:LONGEST])][:OBJECTS]:
        try:
            value, _ = decoder.raw_decode(text[:LONGEST], start)
        except (ValueError, RecursionError):
            continue
        if "neighbours" in value:
            return dict(value)
    raise Unusable("the reply: holds no JSON object with neighbours")


def once(pairs: list[tuple[str, Any]]) -> Json:
    """An object whose names stand once each: of two equal ones, either would be a silent choice."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise Unusable("the reply: says a field twice")
    return dict(pairs)


def named_as(candidates: Iterable[str]) -> Callable[[Any], Any]:
    """Concepts as the question lists them, others as they are compared; what is no text is left for the validation to refuse."""
    known = {spelled(name): name for name in candidates}
    return lambda concept: known.get(spelled(concept), spelled(concept)) if isinstance(concept, str) else concept


def tidied(values: Json, name: Callable[[Any], Any]) -> Json:
    """An answer's values without unprintable characters and surplus spaces, concepts named alike."""
    values = {field: printable(value) for field, value in values.items()}
    neighbours, ranking = values.get("neighbours"), values.get("ranking")
    if isinstance(neighbours, list):
        values["neighbours"] = [renamed(neighbour, name) for neighbour in neighbours]
    if isinstance(ranking, list):
        values["ranking"] = [name(concept) for concept in ranking]
    return values


def renamed(neighbour: Any, name: Callable[[Any], Any]) -> Any:
    """A neighbour with its concept named alike; what is no neighbour stays as it is."""
    has_concept = isinstance(neighbour, dict) and "concept" in neighbour
    return {**neighbour, "concept": name(neighbour["concept"])} if has_concept else neighbour


def printable(value: Any) -> Any:
    """Texts on one line, whatever they are nested in."""
    if isinstance(value, str):
        return " ".join("".join(character if character.isprintable() else " " for character in value).split())
    if isinstance(value, list):
        return [printable(one) for one in value]
    return {name: printable(one) for name, one in value.items()} if isinstance(value, dict) else value


def shortened(text: str) -> str:
    """A reason on one line of bounded length."""
    line = str(printable(text))
    return line if len(line) <= 200 else line[:199] + "…"
