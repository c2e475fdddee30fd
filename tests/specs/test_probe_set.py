"""Frozen probe sets: every mistake with its place, and the lints beside the task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from codes import raises, refuses
from probes.answers import answer_text, question, reply, transcript
from unconceal.paths import DataRoot
from unconceal.probes.freeze import freeze, to_yaml
from unconceal.probes.transcript import write_transcript
from unconceal.specs.digests import file_digest
from unconceal.specs.elicitation import Sample
from unconceal.specs.lint_task import lint_probes
from unconceal.specs.loader import load_probes, load_task, probe_files
from unconceal.specs.probe_set import ProbeSet, ReplyFile, file_stem
from unconceal.specs.problems import SpecProblems


@pytest.fixture
def frozen(data_root: Path) -> Path:
    """The file of a frozen set beside the small task."""
    about = question(data_root)
    folder = data_root / "tasks/tiny/object/star.probes"
    result, replies = transcript(about, answer_text(), answer_text()), folder / "some-model.replies.jsonl"
    write_transcript(result, replies)
    path = folder / "some-model.yaml"
    path.write_text(to_yaml(freeze(result, about, ReplyFile(file=replies.name, digest=file_digest(replies)))))
    return path


def load(root: Path) -> ProbeSet:
    data = DataRoot.find(root)
    return load_probes(data, load_task(data, "object/star"), "some-model")


def test_a_frozen_set_is_found_and_has_no_lints(data_root: Path, frozen: Path) -> None:
    data = DataRoot.find(data_root)
    task = load_task(data, "object/star")
    assert probe_files(data) == [("tiny", "object/star", "some-model", frozen)]
    assert list(lint_probes(load(data_root), task, frozen)) == []
    with raises("probes.unknown"):
        load_probes(data, task, "some-modle")


@pytest.mark.parametrize(
    ("old", "new", "at", "code", "part"),
    [
        ("concept: cross", "concept: diamond", "diamond", "answer.duplicate-neighbour", "'diamond'"),
        ("concept: cross", "concept: Star", "Star", "probes.target-as-neighbour", "'Star'"),
        ("mentions: 2", "mentions: 3", "mentions: 3", "probes.out-of-range", "2 samples"),
        ("mean: 1.0", "mean: 9.0", "diamond", "probes.not-sorted", "neighbour"),
        ("mean: 10.0", "mean: 10.5", "similarity", "probes.out-of-range", "1 to 10"),
        ("mean: 1.0", "mean: 0.5", "rank", "probes.out-of-range", "1 to 10"),
        ("answered: 2", "answered: 1", "requested", "tally.wrong-sum", "2 samples"),
        ("  replies: 2", "  replies: 1", "  replies: 1", "tally.too-few-replies", "1 replies"),
        ("relation: sibling", "relation: cousin", "cousin", "spec.unknown-value", "'cousin'"),
        ("kendall_tau: 1.0", "kendall_tau: 1.5", "kendall_tau", "spec.out-of-range", "at most 1"),
        ("model: someone", "modle: someone", "modle", "spec.unknown-field", "'model'"),
        ("task: object/star", "task: object/moon", "task:", "spec.wrong-path", "object/moon"),
        ("file: some-model", "file: ../some-model", "file:", "spec.invalid-value", "replies.file"),
        ("prompt_version: 1", "prompt_version: '1'", "prompt_version", "spec.wrong-type", "prompt_version"),
    ],
)
def test_mistakes_have_their_line(data_root: Path, frozen: Path, old: str, new: str, at: str, code: str, part: str) -> None:
    text = frozen.read_text()
    assert old in text
    frozen.write_text(text.replace(old, new, 1))
    with pytest.raises(SpecProblems) as caught:
        load(data_root)
    problem = next(problem for problem in caught.value.problems if problem.code == code and part in str(problem))
    assert problem.line is not None and at in "\n".join(frozen.read_text().split("\n")[problem.line - 1 : problem.line + 1])


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda path: (path.parent / "some-model.replies.jsonl").unlink(), "probes.missing-file"),
        (lambda path: (path.parent / "some-model.replies.jsonl").write_text("{}"), "probes.digest-mismatch"),
        (lambda path: path.write_text(path.read_text().replace("Some-Model", "Other", 1)), "probes.wrong-file-name"),
        (
            lambda path: path.write_text(path.read_text().replace("concept: cross", "concept: five-pointed figure")),
            "probes.target-as-neighbour",
        ),
    ],
)
def test_lints(data_root: Path, frozen: Path, spoil: Callable[[Path], object], code: str) -> None:
    spoil(frozen)
    result = list(lint_probes(load(data_root), load_task(DataRoot.find(data_root), "object/star"), frozen))
    assert [mistake.code for mistake in result] == [code]


def test_too_few_neighbours_correlate_with_nothing(data_root: Path, frozen: Path) -> None:
    probes = load(data_root)
    few = probes.model_copy(update={"neighbours": probes.neighbours[:7]})
    (result,) = lint_probes(few, load_task(DataRoot.find(data_root), "object/star"), frozen)
    assert (result.code, result.value) == ("probes.too-few-neighbours", "7 neighbours")


def test_an_outcome_agrees_with_its_answer() -> None:
    with refuses("sample.contradictory"):
        Sample(reply=reply("x"), outcome="answered")


@pytest.mark.parametrize(
    ("model", "stem"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b-instruct"),
        ("meta-llama/Llama-3.2-90B-Vision-Instruct", "llama-3.2-90b-vision-instruct"),
        ("llama3.3:70b", "llama3.3-70b"),
        ("../..", "model"),
        ("C:\\models\\Some Model\\", "some-model"),
    ],
)
def test_files_are_called_as_the_model(model: str, stem: str) -> None:
    assert file_stem(model) == stem
    assert ReplyFile(file=f"{stem}.replies.jsonl", digest="0" * 64)
