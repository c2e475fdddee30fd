"""The weak orderer goes by letters alone, and answers in the form that language models answer in."""

from __future__ import annotations

from unconceal.probes.prompt import build_question
from unconceal.probes.replies import parse_reply
from unconceal.specs.elicitation import Reply
from unconceal_lab.build.spelling_ranker import N_ATTACKS, answer, reply, spelling_similarity
from unconceal_lab.build.task_prompts import build_task


def test_likeness_counts_letters_in_common() -> None:
    # "star" and "heart" share the letters a, r in order: 2 · 2 / (4 + 5).
    assert (
        spelling_similarity("star", "heart") == 4 / 9
        and spelling_similarity("star", "star") == 1
        and spelling_similarity("star", "momo") == 0
    )


def test_similarly_spelt_concepts_rank_first() -> None:
    log_lines = answer(build_task("dotted", "art-style"))
    values = [spelling_similarity("dotted", concept) for concept in log_lines.ranking]
    assert values == sorted(values, reverse=True) and len(log_lines.ranking) == 26 and len(log_lines.attacks) == N_ATTACKS
    assert {neighbour.concept: neighbour.similarity for neighbour in log_lines.neighbours}[log_lines.ranking[0]] == 1 + round(9 * values[0])


def test_its_reply_is_read_like_any_other() -> None:
    task = build_task("hazard sign", "nsfw")
    sample = parse_reply(Reply(sample=0, date="2026-11-26", finish="stop", form="free", text=reply(task)), build_question(task))
    assert sample.outcome == "answered" and sample.answer == answer(task)
