from __future__ import annotations

from typing import Any

import pytest

from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.rerun.lint_paraphrases import lint_paraphrases
from unconceal.specs.loader import load_paraphrases, load_task, suite_names
from unconceal.specs.loader import task_files as files
from unconceal.specs.paraphrases import Paraphrases

ROOT = DataRoot.find(SOURCE_TREE)
STAR = load_task(ROOT, "miniature:object/star")


@pytest.mark.parametrize("suite", suite_names(ROOT))
def test_the_suites_have_no_mistakes(suite: str) -> None:
    paraphrases = load_paraphrases(ROOT, suite)
    assert paraphrases is not None
    tasks = [load_task(ROOT, f"{file.suite}:{file.name}") for file in files(ROOT) if file.suite == suite]
    assert list(lint_paraphrases(paraphrases, tasks)) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"names": {"object/moon": ["moon"]}}, "paraphrases.unknown-task"),
        ({"names": {"object/star": ["moon"]}}, "paraphrases.no-concept"),
        ({"categories": {"object": "few"}}, "paraphrases.too-few"),
        ({"retained": {"subject": {"circle": {"generator": "many", "names": ["star"]}}}}, "paraphrases.names-target"),
    ],
)
def test_mistakes(changes: dict[str, Any], code: str) -> None:
    numbers = [str(number) for number in range(50)]
    generators = {"many": {"templates": ["a {concept} {number}"], "slots": {"number": numbers}}, "few": {"templates": ["a {concept}"]}}
    content = {"suite": "miniature", "generators": generators, "categories": {"object": "many"}, **changes}
    assert {mistake.code for mistake in lint_paraphrases(Paraphrases.model_validate(content), [STAR])} == {code}
