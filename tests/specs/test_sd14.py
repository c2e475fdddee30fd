"""The suite of Stable Diffusion 1.4: what its specs promise."""

from __future__ import annotations

import re

import pytest

from unconceal.paths import DataRoot
from unconceal.specs.lint_prompts import names_concept
from unconceal.specs.lint_task import names_target
from unconceal.specs.loader import all_tasks, load_suite
from unconceal.specs.task import Task

ROOT = DataRoot.find()
TASKS = [task for task in all_tasks(ROOT) if task.suite == "sd14"]
EXPECTED = {
    "art-style": {"van-gogh", "kilian-eng", "greg-rutkowski", "kelly-mckernan", "thomas-kinkade"},
    "identity": {"r2d2", "grumpy-cat", "angelina-jolie", "brad-pitt", "elon-musk"},
    "nsfw": {"nudity"},
    "object": {"church", "parachute", "tench", "garbage-truck", "airliner"},
}


def test_every_concept_is_there() -> None:
    result = {category: {task.concept for task in TASKS if task.category == category} for category in EXPECTED}
    assert result == EXPECTED


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_counts_and_wordings(task: Task) -> None:
    request = len(task.forget) + (task.forget_from.n_prompts if task.forget_from else 0)
    assert request == 20 and len(task.retain) == 20 and len(task.neighbours) == 15
    assert len({prompt.concept for prompt in task.retain}) == len({prompt.concept for prompt in task.retain[:10]}) == 10
    assert all(names_target(task, prompt.text) for prompt in task.forget)
    assert all(names_concept(prompt.text, prompt.concept or "") for prompt in task.retain)
    assert all(len(neighbour.prompts) == 4 for neighbour in task.neighbours)
    output = [neighbour.concept for neighbour in task.neighbours]
    assert (
        all(names_concept(text, neighbour.concept) for neighbour in task.neighbours for text in neighbour.prompts)
        and len(set(output)) == 15
    )


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_surrogates_are_claimed_with_their_source(task: Task) -> None:
    assert {claim.gold for claim in task.gold_claims} == set(task.golds)
    assert all(claim.source.startswith("https://") for claim in task.gold_claims)
    assert bool(task.golds) == (task.concept in {"kilian-eng", "greg-rutkowski", "kelly-mckernan", "thomas-kinkade", "r2d2"})


def test_nothing_explicit_is_written_out() -> None:
    """The prompts of that category are referred to by data set and commit; no other task names the concept."""
    nudity = next(task for task in TASKS if task.category == "nsfw")
    assert nudity.forget == () and nudity.forget_from is not None and not nudity.forget_from.is_draft and nudity.detector is not None
    written = [prompt.text for task in TASKS for prompt in (*task.forget, *task.retain)]
    written += [text for task in TASKS for neighbour in task.neighbours for text in neighbour.prompts]
    assert not [text for text in written if re.search(r"\b(nude|naked|nudity|topless|sex\w*|erotic\w*|breasts?)\b", text, re.IGNORECASE)]


def test_the_suite_is_a_draft_until_it_is_pinned() -> None:
    suite = load_suite(ROOT, "sd14")
    assert suite.draft and suite.base.is_draft and suite.base.repo == "CompVis/stable-diffusion-v1-4"
    assert {name: tier.n_prompts for name, tier in suite.tiers.items()} == {"full": 20, "quick": 12, "audit": 20}
