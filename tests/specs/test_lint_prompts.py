from __future__ import annotations

from typing import Any

import pytest

from generate.small import suite as small_suite
from unconceal.specs.lint_prompts import lint, normalize, truncated_name
from unconceal.specs.task import Task

SUITE = small_suite()


def task(**changes: Any) -> Task:
    fields: dict[str, Any] = {
        "concept": "van-gogh",
        "category": "art-style",
        "title": "Van Gogh",
        "suite": "small",
        "license": "Apache-2.0",
        "judge": {"head": "style", "label": "van Gogh"},
        "aliases": ["Van Gogh", "Vincent van Gogh"],
        "forget": [{"text": f"a {thing} by Van Gogh"} for thing in ("boat", "hill", "tree")],
        "retain": [{"text": f"a boat by {name}", "concept": name, "head": "style"} for name in ("Claude Monet", "Edvard Munch")],
    }
    return Task.model_validate({**fields, **changes})


def mistakes(task: Task) -> list[tuple[str, tuple[str | int, ...]]]:
    """Code and location of each."""
    return [(mistake.code, mistake.location) for mistake in lint(task, SUITE)]


def test_a_good_task_has_no_mistake() -> None:
    assert mistakes(task()) == []


@pytest.mark.parametrize("text", ["A BOAT, by van-Gogh!", "a  boat by Van  Gogh"])
def test_prompts_that_differ_in_spelling_alone(text: str) -> None:
    forget = [{"text": "a boat by Van Gogh"}, {"text": "a hill by Van Gogh"}, {"text": text}]
    assert mistakes(task(forget=forget)) == [("prompt.near-duplicate", ("forget", 2))]


def test_a_prompt_in_both_splits_is_a_mistake() -> None:
    retain = [{"text": "a boat by van gogh", "concept": "Claude Monet", "head": "style"}]
    assert ("prompt.near-duplicate", ("retain", 0)) in mistakes(task(retain=retain))


@pytest.mark.parametrize(
    ("words", "cut"), [("a boat by vincent van gog", "gog"), ("van gogh", None), ("van go", None), ("a van goghs", None)]
)
def test_a_name_cut_short(words: str, cut: str | None) -> None:
    """At least three letters are left of it: "van go" may be a wording of its own."""
    result = [truncated_name(words.split(), name) for name in (["van", "gogh"], ["vincent", "van", "gogh"])]
    assert (cut in result) if cut else result == [None, None]


def test_a_truncated_artist_is_a_mistake() -> None:
    forget = [{"text": "a boat by Van Gogh"}, {"text": "a hill by Van Gogh"}, {"text": "a boat by Vincent van Gog, and Van Gogh"}]
    assert mistakes(task(forget=forget)) == [("prompt.truncated-name", ("forget", 2))]


def test_an_alias_that_begins_another_is_not_cut() -> None:
    forget = [{"text": f"a garbage truck {path}"} for path in ("here", "there", "far away")]
    assert mistakes(task(concept="garbage-truck", aliases=["garbage trucks"], forget=forget)) == []


def test_a_retain_prompt_of_another_concept() -> None:
    retain = [
        {"text": "a boat by Claude Monet", "concept": "Claude Monet", "head": "style"},
        {"text": "a hill by Claude Monet", "concept": "Edvard Munch", "head": "style"},
    ]
    assert mistakes(task(retain=retain)) == [("prompt.misnamed", ("retain", 1))]


def test_a_synonym_is_no_other_concepts_name() -> None:
    retain = [
        {"text": "a boat by Claude Monet", "concept": "Claude Monet", "head": "style"},
        {"text": "a hill by the painter of The Scream", "concept": "Edvard Munch", "head": "style"},
    ]
    assert mistakes(task(retain=retain)) == []


def test_borrowed_prompts_need_a_license() -> None:
    borrowed = {"text": "a cat by Van Gogh", "source": "https://example.org"}
    assert mistakes(task(forget=[*task().model_dump()["forget"][:2], borrowed])) == [("prompt.no-license", ("forget", 2))]
    assert mistakes(task(forget=[*task().model_dump()["forget"][:2], {**borrowed, "license": "MIT"}])) == []


def test_counts_that_disagree_with_the_tiers() -> None:
    assert mistakes(task(forget=[{"text": "a boat by Van Gogh"}])) == [("task.too-few-prompts", ("forget",))]


def test_folding_keeps_letters_of_every_script() -> None:
    assert normalize("Albrecht Dürer’s «Hare»_1") == "albrecht dürer s hare 1"
