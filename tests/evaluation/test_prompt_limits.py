"""Prompts longer than a tokenizer takes: said at lint, counted in records."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tokenizers import Tokenizer

from codes import printed_codes
from evaluation.tiny import tiny_root
from unconceal.cli.main import main
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.prompt_limits import PromptLimit, count_truncated, load_prompt_limits
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.specs.loader import load_suite, load_task
from unconceal.specs.task import Task

WEIGHTS = SOURCE_TREE / "benchmark/unconceal/miniature/weights"
LONG = "a star " + "red " * 30


@pytest.fixture(scope="module")
def limits() -> tuple[PromptLimit, ...]:
    return load_prompt_limits(WEIGHTS / "base", WEIGHTS / "clip")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return tiny_root(tmp_path_factory.mktemp("tiny"))


def test_tokens_are_those_of_the_tokenizers_file(limits: tuple[PromptLimit, ...]) -> None:
    """Independently of transformers, with the tokens that begin and end a text."""
    file = Tokenizer.from_file(str(WEIGHTS / "base/tokenizer/tokenizer.json"))
    assert [(limit.reader, limit.max_tokens) for limit in limits] == [("generation", 24), ("clip", 24)]
    for text in ("a star", "a picture of a green leaf, with Ω", LONG, ""):
        assert limits[0].n_tokens(text) == len(file.encode(text).ids)
    # "a", "red" are one token each: 22 of them, a start and an end fit.
    assert not limits[0].cuts("red " * 22) and limits[0].cuts("red " * 23)


def test_distinct_prompts_are_counted_by_reader(limits: tuple[PromptLimit, ...]) -> None:
    assert count_truncated(limits, ["a star", LONG, LONG, LONG + "x"], [LONG, "a star"]) == {"generation": 2, "clip": 1}
    assert count_truncated(limits, ["a star"], ["a star"]) == {}


def lint(root: Path) -> tuple[int, list[str]]:
    result = CliRunner().invoke(main, ["tasks", "lint", "object/star", "--root", str(root)])
    return result.exit_code, printed_codes(result.stderr)


def test_lint_says_it_of_each_prompt(data_root: Path) -> None:
    task = data_root / "tasks/tiny/object/star.yaml"
    assert lint(data_root) == (0, [])
    task.write_text(task.read_text().replace("a star number 3", LONG).replace("a thing called ring", "a ring " + "red " * 30))
    assert lint(data_root) == (1, ["prompt.too-long", "prompt.too-long"])
    result = CliRunner().invoke(main, ["tasks", "lint", "object/star", "--json", "--root", str(data_root)])
    assert [problem["line"] for problem in json.loads(result.stdout)["problems"]] == [14, 25]


def test_lint_of_a_suite_whose_tokenizer_is_elsewhere_says_nothing(data_root: Path) -> None:
    task, suite = data_root / "tasks/tiny/object/star.yaml", data_root / "tasks/tiny/suite.yaml"
    task.write_text(task.read_text().replace("a star number 3", LONG))
    repo = f"{{repo: someone/base, revision: {'a' * 40}, path: ., digest: "
    suite.write_text(suite.read_text().replace('{path: "package:miniature/weights/base", digest: ', repo))
    assert lint(data_root) == (0, [])


def test_a_record_counts_them(root: DataRoot) -> None:
    evaluation = Evaluation(load_suite(root, "tiny"), root, "quick", shard_size=8)
    task = load_task(root, "tiny:object/star")
    assert evaluation.truncated_prompts(task) == {}
    first = task.forget[0].model_copy(update={"text": LONG * 4})
    long_task: Task = task.model_copy(update={"forget": (first, *task.forget[1:])})
    assert evaluation.truncated_prompts(long_task) == {"generation": 1, "clip": 1}
    assert evaluation.truncated_prompts(long_task, ["red " * 90]) == {"generation": 2, "clip": 1}


def test_lint_counts_attacks_as_warnings(tmp_path: Path) -> None:
    """Frozen sets cannot be changed within a suite's version."""
    folder = tmp_path / "root"
    shutil.copytree(SOURCE_TREE / "tasks/miniature", folder / "tasks/miniature")
    root = replace(DataRoot.find(folder))
    result = CliRunner().invoke(main, ["tasks", "lint", "miniature:art-style/striped", "--root", str(root.tasks.parent)])
    assert (result.exit_code, set(printed_codes(result.stderr))) == (0, {"probes.long-attack"})
