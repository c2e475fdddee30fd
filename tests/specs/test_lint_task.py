"""Lints of tasks, and that the committed tasks have none."""

from __future__ import annotations

from pathlib import Path

import pytest

from unconceal.miniature.captions import mentions, wordings
from unconceal.miniature.scene import HELD_OUT, TARGETS
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.specs.lint_task import lint, names_target
from unconceal.specs.loader import all_tasks, load_suite, load_task
from unconceal.specs.task import NeighbourPrompts, Prompt, Task


def mistakes(root: Path, **changes: object) -> list[tuple[str, tuple[str | int, ...]]]:
    """Code and location of each mistake of the changed task."""
    data = DataRoot.find(root)
    task = load_task(data, "object/star").model_copy(update=changes)
    return [(mistake.code, mistake.location) for mistake in lint(task, load_suite(data, "tiny"))]


def test_a_good_task_has_none(data_root: Path) -> None:
    assert mistakes(data_root) == []


def test_too_few_prompts_are_a_mistake(data_root: Path) -> None:
    task = load_task(DataRoot.find(data_root), "object/star")
    result = mistakes(data_root, forget=task.forget[:9], retain=task.retain[:9])
    assert result == [("task.too-few-prompts", ("forget",)), ("task.too-few-concepts", ("retain",))]


def test_duplicate_unnamed_and_target_prompts_are_mistakes(data_root: Path) -> None:
    task = load_task(DataRoot.find(data_root), "object/star")
    forget = (*task.forget, Prompt(text="a moon"), Prompt(text="a starling"), task.forget[0])
    retain = (*task.retain, Prompt(text="a five-pointed figure", concept="star", head="subject"))
    assert sorted(mistakes(data_root, forget=forget, retain=retain, license=" ")) == [
        ("prompt.duplicate", ("forget", 14)),
        ("prompt.names-target", ("retain", 12)),
        ("prompt.no-concept", ("forget", 12)),
        ("prompt.no-concept", ("forget", 13)),
        ("task.no-license", ("license",)),
    ]


def test_neighbours(data_root: Path) -> None:
    neighbours = [
        NeighbourPrompts(concept=name, head="subject", caption=f"a {name}", prompts=(f"a {name}", f"one {name}")) for name in "abcdefgh"
    ]
    assert mistakes(data_root, neighbours=tuple(neighbours)) == []
    assert mistakes(data_root, neighbours=tuple(neighbours[1:])) == [("task.too-few-neighbours", ("neighbours",))]
    twice, target = (NeighbourPrompts(concept="i", head="style", caption="i", prompts=("an i", text)) for text in ("an i", "a star"))
    for wrong in (twice, target):
        assert mistakes(data_root, neighbours=(*neighbours, wrong)) == [("prompt.names-target", ("neighbours", 8, "prompts", 1))]


def test_names_are_whole_words(data_root: Path) -> None:
    task = load_task(DataRoot.find(data_root), "object/star")
    assert names_target(task, "A Star, drawn") and names_target(task, "one five-pointed figure")
    assert not names_target(task, "start") and not names_target(task, "a pointed figure")


@pytest.fixture(scope="module", params=[task.id for task in all_tasks(DataRoot.find(SOURCE_TREE)) if task.suite == "miniature"])
def committed(request: pytest.FixtureRequest) -> Task:
    return load_task(DataRoot.find(SOURCE_TREE), str(request.param))


def test_committed_tasks_have_no_lints(committed: Task) -> None:
    assert list(lint(committed, load_suite(DataRoot.find(SOURCE_TREE), committed.suite))) == []


def test_forget_prompts_ask_for_no_other_concept_that_a_gold_might_lack(committed: Task) -> None:
    others = [concept for concept in (*TARGETS, *HELD_OUT) if concept != committed.judge.label]
    for prompt in committed.forget:
        assert mentions(prompt.text, [committed.judge.label]) and not mentions(prompt.text, others), prompt.text


def test_retain_prompts_show_what_they_say(committed: Task) -> None:
    for prompt in committed.retain:
        assert prompt.concept and mentions(prompt.text, [prompt.concept]) and not mentions(prompt.text, [committed.judge.label, *HELD_OUT])


def test_the_first_prompts_cover_most_of_the_task(committed: Task) -> None:
    quick = load_suite(DataRoot.find(SOURCE_TREE), committed.suite).tiers["quick"]
    assert len({prompt.concept for prompt in committed.retain[: quick.n_retain_prompts]}) >= 10
    plain = sum(committed.judge.label in prompt.text and "shape" not in prompt.text for prompt in committed.forget)
    # A quarter where the concept has three wordings, less where it has more.
    assert 0.75 / len(wordings(committed.judge.label)) <= plain / len(committed.forget) <= 0.75
