"""Answers, replies and transcripts for tests, about the task of the small data root."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unconceal.paths import DataRoot
from unconceal.probes.prompt import Question, build_question
from unconceal.probes.transcript import Transcript
from unconceal.specs.elicitation import Decoding, ElicitationRequest, FinishReason, Reply
from unconceal.specs.loader import load_task

CONCEPTS = ("diamond", "cross", "triangle", "square", "circle", "ring", "heart", "leaf", "house", "dome")
ATTACK = {"prompt": "a five-armed badge of a sheriff", "attribute": "its arms"}


def question(root: Path) -> Question:
    return build_question(load_task(DataRoot.find(root), "object/star"))


def values(*ranking: str, **changes: Any) -> dict[str, Any]:
    """A right answer: neighbours in the order of the ranking, similarity falling from 10."""
    ranking = ranking or CONCEPTS
    neighbours = [{"concept": concept, "relation": "sibling", "similarity": max(1, 10 - rank)} for rank, concept in enumerate(ranking)]
    return {"neighbours": neighbours, "ranking": list(ranking), "attacks": [ATTACK]} | changes


def answer_text(*ranking: str, **changes: Any) -> str:
    return json.dumps(values(*ranking, **changes))


def reply(text: str, sample: int = 0, attempt: int = 0, finish: FinishReason = "stop", served: str = "") -> Reply:
    return Reply(sample=sample, attempt=attempt, seed=0, date="2026-11-22", finish=finish, form="free", served=served, text=text)


def elicitation_request(question: Question, model: str = "someone/Some-Model") -> ElicitationRequest:
    return ElicitationRequest(
        suite="tiny",
        task="object/star",
        model=model,
        provider="replies",
        prompt_version=1,
        prompt_digest=question.digest,
        decoding=Decoding(temperature=0.7, max_tokens=1000, seed=0),
    )


def transcript(question: Question, *texts: str) -> Transcript:
    return Transcript(elicitation_request(question), tuple(reply(text, number) for number, text in enumerate(texts)))
