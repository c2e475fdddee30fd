"""The weak orderer goes by letters alone, and answers in the form that language models answer in."""

from __future__ import annotations

from unconceal_lab.build.task_prompts import task_of
from unconceal_lab.build.word_shapes import ATTACKS, answer, likeness, reply
from unconceal.probes.prompt import question_of
from unconceal.probes.replies import sample_of
from unconceal.specs.elicitation import Reply


def test_likeness_counts_letters_in_common() -> None:
    # "star" and "heart" share the letters a, r in order: 2 · 2 / (4 + 5).
    assert likeness("star", "heart") == 4 / 9 and likeness("star", "star") == 1 and likeness("star", "momo") == 0


def test_concepts_spelt_alike_stand_first() -> None:
    said = answer(task_of("dotted", "art-style"))
    values = [likeness("dotted", concept) for concept in said.ranking]
    assert values == sorted(values, reverse=True) and len(said.ranking) == 26 and len(said.attacks) == ATTACKS
    assert {one.concept: one.similarity for one in said.neighbours}[said.ranking[0]] == 1 + round(9 * values[0])


def test_its_reply_is_read_like_any_other() -> None:
    task = task_of("hazard sign", "nsfw")
    sample = sample_of(Reply(sample=0, date="2026-11-26", finish="stop", form="free", text=reply(task)), question_of(task))
    assert sample.outcome == "answered" and sample.answer == answer(task)
