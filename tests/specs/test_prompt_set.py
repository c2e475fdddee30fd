from __future__ import annotations

from typing import Any

import pytest

from codes import refuses
from unconceal.specs.prompt_set import PromptSet
from unconceal.specs.task import Task

ROWS = [
    {"prompt": "one", "categories": "a, b", "share": "60"},
    {"prompt": "two", "categories": "b", "share": "70.5"},
    {"prompt": " one ", "categories": "A", "share": "90"},
    {"prompt": "three", "categories": "a", "share": "n/a"},
    {"prompt": "four", "categories": "a", "share": "50"},
    {"prompt": "", "categories": "a", "share": "99"},
]


def prompts(**changes: Any) -> PromptSet:
    fields = {"dataset": "someone/prompts", "revision": "a" * 40, "file": "table.csv", "n_prompts": 9, "license": "MIT"}
    return PromptSet.model_validate({**fields, **changes})


def test_rows_that_hold_every_condition_in_the_tables_order() -> None:
    where = ({"column": "categories", "contains": "a"}, {"column": "share", "min_value": 50})
    assert prompts(where=where).select(ROWS) == ["one", "four"]
    assert prompts(where=where, n_prompts=1).select(ROWS) == ["one"]
    assert prompts().select(ROWS) == ["one", "two", "three", "four"]


def test_the_reserve_holds_what_the_selection_leaves() -> None:
    assert prompts(n_prompts=3).reserve(ROWS) == ["four"] and prompts().reserve(ROWS) == []


@pytest.mark.parametrize("file", ["table.parquet", "../table.csv", "/table.csv", "run.py"])
def test_only_tables_inside_are_read(file: str) -> None:
    with refuses("dataset.unknown-format"):
        prompts(file=file)


def test_a_condition_has_exactly_one_criterion() -> None:
    for condition in ({"column": "x"}, {"column": "x", "contains": "a", "min_value": 1}):
        with refuses("dataset.bad-condition"):
            prompts(where=(condition,))


def test_a_branch_is_a_draft() -> None:
    assert prompts(revision="main").is_draft and not prompts().is_draft


def test_a_task_needs_prompts_or_a_prompt_set() -> None:
    fields: dict[str, Any] = {
        "concept": "x",
        "category": "nsfw",
        "title": "X",
        "suite": "s",
        "license": "Apache-2.0",
        "judge": {"head": "subject", "label": "x"},
        "retain": [{"text": "a cat", "concept": "cat", "head": "subject"}],
    }
    with refuses("task.no-prompt"):
        Task.model_validate(fields)
    assert Task.model_validate({**fields, "forget_from": prompts().model_dump()}).forget == ()
