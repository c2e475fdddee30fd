"""Frozen probe sets: every mistake with its place, and the lints beside the task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from codes import raises
from probes.answers import question, reply, said, transcript
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
    result, replies = transcript(about, said(), said()), folder / "some-model.replies.jsonl"
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
    ("old", "new", "at", "why"),
    [
        ("concept: cross", "concept: diamond", "diamond", "neighbour 'diamond': stands twice"),
        ("concept: cross", "concept: Star", "Star", "is the target itself"),
        ("mentions: 2", "mentions: 3", "mentions: 3", "is more than the 2 samples that answered"),
        ("mean: 1.0", "mean: 9.0", "diamond", "stands before a nearer one"),
        ("mean: 10.0", "mean: 10.5", "similarity", "is none from 1 to 10"),
        ("mean: 1.0", "mean: 0.5", "rank", "is none from 1 to 10"),
        ("answered: 2", "answered: 1", "requested", "2 samples: are not the 1 that ended somehow"),
        ("  replies: 2", "  replies: 1", "  replies: 1", "1 replies: are fewer than 2 samples"),
        ("relation: sibling", "relation: cousin", "cousin", "is not one of the allowed values"),
        ("kendall_tau: 1.0", "kendall_tau: 1.5", "kendall_tau", "it must be at most 1"),
        ("model: someone", "modle: someone", "modle", "did you mean 'model'?"),
        ("task: object/star", "task: object/moon", "task:", "disagrees with the file's path"),
        ("file: some-model", "file: ../some-model", "file:", "replies.file"),
        ("prompt_version: 1", "prompt_version: '1'", "prompt_version", "wrong type"),
    ],
)
def test_mistakes_have_their_line(data_root: Path, frozen: Path, old: str, new: str, at: str, why: str) -> None:
    text = frozen.read_text()
    assert old in text
    frozen.write_text(text.replace(old, new, 1))
    with pytest.raises(SpecProblems) as caught:
        load(data_root)
    told = [problem for problem in caught.value.problems if why in str(problem)]
    assert told, str(caught.value)
    assert told[0].line is not None and at in "\n".join(frozen.read_text().split("\n")[told[0].line - 1 : told[0].line + 1])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: (path.parent / "some-model.replies.jsonl").unlink(), "is not there"),
        (lambda path: (path.parent / "some-model.replies.jsonl").write_text("{}"), "is not the file that the set was frozen from"),
        (lambda path: path.write_text(path.read_text().replace("Some-Model", "Other", 1)), "should be other.yaml"),
        (lambda path: path.write_text(path.read_text().replace("concept: cross", "concept: five-pointed figure")), "the target itself"),
    ],
)
def test_lints(data_root: Path, frozen: Path, spoil: Callable[[Path], object], why: str) -> None:
    spoil(frozen)
    result = list(lint_probes(load(data_root), load_task(DataRoot.find(data_root), "object/star"), frozen))
    assert len(result) == 1 and why in result[0].consequence


def test_too_few_neighbours_correlate_with_nothing(data_root: Path, frozen: Path) -> None:
    probes = load(data_root)
    few = probes.model_copy(update={"neighbours": probes.neighbours[:7]})
    (result,) = lint_probes(few, load_task(DataRoot.find(data_root), "object/star"), frozen)
    assert result.value == "7 neighbours" and "fewer than 8" in result.consequence


def test_an_outcome_agrees_with_its_answer() -> None:
    with pytest.raises(ValidationError, match="contradicts the answer"):
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
