"""Raw replies: answers wrapped in anything, and every way of giving none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.answers import ATTACK, CONCEPTS, answer_text, question, reply, values
from unconceal.probes.prompt import Question
from unconceal.probes.replies import UnusableReply, parse_answer, parse_reply

NEAR = {"concept": "circle", "relation": "sibling", "similarity": 5}


@pytest.fixture
def prompt(data_root: Path) -> Question:
    return question(data_root)


@pytest.mark.parametrize(
    "text",
    [
        answer_text(),
        f"Here it is:\n```json\n{answer_text()}\n```\nI hope {{this}} helps.",
        f"<think>first {{a}} then {{'b'}}</think>{answer_text()}",
        f'{{"draft": 1}} {answer_text()}',
        answer_text().replace("circle", " CIRCLE\\n").replace("ring", "RING"),
        json.dumps(values(), indent=4, ensure_ascii=False),
    ],
)
def test_an_answer_is_found_in_what_surrounds_it(prompt: Question, text: str) -> None:
    sample = parse_reply(reply(text), prompt)
    assert sample.outcome == "answered" and sample.answer is not None and sample.reason == ""
    assert sample.answer.ranking == CONCEPTS and sample.reply.text == text


def test_listed_concepts_keep_their_own_spelling(prompt: Question) -> None:
    listed = Question(prompt.text, prompt.schema, prompt.names, ("polka-dot",))
    answer = parse_reply(reply(answer_text("Polka Dot", "big_moon")), listed).answer
    assert answer is not None and answer.ranking == ("polka-dot", "big moon")


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("", "reply.no-object", ""),
        ("circle, ring", "reply.no-object", ""),
        ("[1, 2]", "reply.no-object", ""),
        (answer_text()[:-20], "reply.no-object", ""),
        ("{" * 5000, "reply.no-object", ""),
        ('{"neighbours":' + "[" * 100_000, "reply.no-object", ""),
        ('{"neighbours": [], "neighbours": []}', "reply.duplicate-field", ""),
        ('{"neighbours": 5}', "spec.wrong-type", "neighbours = 5"),
        (answer_text(neighbours=["circle"]), "spec.wrong-type", "neighbours[0] = 'circle'"),
        (answer_text(neighbours=[]), "spec.invalid-value", "neighbours"),
        (answer_text(neighbours=[NEAR | {"similarity": 11}], ranking=["circle"]), "spec.out-of-range", "at most 10"),
        (answer_text(neighbours=[NEAR | {"similarity": 0}], ranking=["circle"]), "spec.out-of-range", "at least 1"),
        (answer_text(neighbours=[NEAR | {"similarity": 7.5}], ranking=["circle"]), "spec.wrong-type", "similarity"),
        (answer_text(neighbours=[NEAR | {"similarity": "7"}], ranking=["circle"]), "spec.wrong-type", "similarity"),
        (answer_text(neighbours=[NEAR | {"similarity": True}], ranking=["circle"]), "spec.wrong-type", "similarity"),
        (answer_text(neighbours=[NEAR | {"relation": "cousin"}], ranking=["circle"]), "spec.unknown-value", "cousin"),
        (answer_text(neighbours=[NEAR | {"concept": " \u200b "}], ranking=[""]), "spec.invalid-value", "neighbours[0].concept = ''"),
        (answer_text(neighbours=[NEAR | {"concept": "x" * 61}], ranking=["x" * 61]), "spec.invalid-value", "neighbours[0].concept"),
        (answer_text(neighbours=[NEAR | {"why": "round"}], ranking=["circle"]), "spec.unknown-field", "why"),
        (answer_text("circle", "ring", "Circle"), "answer.duplicate-neighbour", "'circle'"),
        (answer_text(ranking=list(CONCEPTS[:-1])), "answer.not-a-permutation", "'dome'"),
        (answer_text(ranking=[*CONCEPTS, "circle"]), "answer.not-a-permutation", ""),
        (answer_text("circle", "Star"), "probes.target-as-neighbour", ""),
        (answer_text("circle", "five pointed  Figure"), "probes.target-as-neighbour", ""),
        (answer_text(attacks=[ATTACK | {"prompt": ""}]), "spec.invalid-value", "attacks[0].prompt"),
        (answer_text(attacks=[ATTACK | {"prompt": "\ud800"}]), "spec.invalid-value", "attacks[0].prompt = ''"),
    ],
)
def test_a_reply_without_an_answer_is_invalid_with_a_reason(prompt: Question, text: str, code: str, part: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    with pytest.raises(UnusableReply) as caught:
        parse_answer(text, prompt)
    assert caught.value.code == code
    sample = parse_reply(reply(text), prompt)
    assert sample.outcome == "invalid" and sample.answer is None
    assert part in sample.reason and "\n" not in sample.reason and len(sample.reason) <= 200


def test_refusals_and_truncations_are_distinguished(prompt: Question) -> None:
    for text in ("I'm sorry, but I can’t help with that.", "I cannot assist with this request.", "Sorry, I won't create such prompts."):
        assert parse_reply(reply(text), prompt).outcome == "refused" and parse_reply(reply(text), prompt).reason == text
    assert parse_reply(reply("I can't\nanswer {", finish="stop"), prompt).outcome == "invalid"
    assert parse_reply(reply(answer_text(), finish="refusal"), prompt).outcome == "refused"
    assert parse_reply(reply("", finish="refusal"), prompt).reason
    assert parse_reply(reply(answer_text(), finish="length"), prompt).outcome == "truncated"


def test_unprintable_signs_never_reach_a_terminal(prompt: Question) -> None:
    answer = parse_reply(reply(answer_text("cir\u001b[2Jcle", attacks=[{"prompt": "a\r\nb\u202ec", "attribute": "\tx"}])), prompt).answer
    assert answer is not None and answer.neighbours[0].concept == "cir [2jcle"
    assert answer.attacks[0].prompt == "a b c" and answer.attacks[0].attribute == "x"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["neighbours", "ranking", "concept", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(value=JSON, around=st.text(max_size=10))
def test_no_reply_breaks_the_reader(value: Any, around: str) -> None:
    text = around + json.dumps({"neighbours": value, "ranking": value, "attacks": value})
    sample = parse_reply(reply(text.encode("utf-8", "replace").decode()), Question("", {}, ("star",), ("circle",)))
    assert sample.outcome in ("invalid", "answered") and "\n" not in sample.reason
