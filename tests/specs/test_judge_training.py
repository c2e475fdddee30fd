"""How a judge is to be made, and whether a task may be asked of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from codes import raises
from unconceal.errors import UnconcealError
from unconceal.specs.judge_training import JudgeGate, Templates, gate_error, gate_path, read_gate
from unconceal.specs.task import Task

DIGEST = "a" * 64


def task(**changes: Any) -> Task:
    text: dict[str, Any] = {
        "concept": "star",
        "category": "object",
        "title": "Star",
        "suite": "tiny",
        "license": "Apache-2.0",
        "judge": {"head": "subject", "label": "star"},
        "forget": [{"text": "a star"}],
        "retain": [{"text": "a ring", "concept": "ring", "head": "subject"}],
    }
    return Task.model_validate({**text, **changes})


def write(judge: Path, value: float | None, low: float, digest: str = DIGEST) -> None:
    measured = {"value": value, "low": low, "high": 1, "positives": 40, "negatives": 200}
    gate_path(judge).write_text(json.dumps({"judge": digest, "min_balanced_accuracy": 0.9, "labels": {"subject/star": measured}}))


def error_of(folder: Path, **changes: Any) -> UnconcealError:
    error = gate_error(task(**changes), folder, DIGEST)
    assert error is not None
    return error


def test_a_judge_that_passed_its_gate_is_accepted(tmp_path: Path) -> None:
    write(tmp_path / "judge", 0.95, 0.9)
    assert gate_error(task(), tmp_path / "judge", DIGEST) is None


@pytest.mark.parametrize("value, low, numbers", [(0.93, 0.899, ["0.90", "0.930", "0.899"]), (None, 0, ["0.90", "0.000"])])
def test_a_judge_that_failed_its_gate_is_refused(tmp_path: Path, value: float | None, low: float, numbers: list[str]) -> None:
    write(tmp_path / "judge", value, low)
    error = error_of(tmp_path / "judge")
    assert error.code == "judge.gate-failed" and sorted(re.findall(r"\d\.\d\d+", error.consequence)) == sorted(numbers)
    assert "object/star" in error.value and "unconceal tasks judge tiny" in error.remedy


def test_a_gate_of_another_judge_is_none(tmp_path: Path) -> None:
    assert error_of(tmp_path / "judge").code == "judge.no-gate"
    write(tmp_path / "judge", 1, 1, digest="b" * 64)
    assert error_of(tmp_path / "judge").code == "judge.no-gate"
    write(tmp_path / "judge", 1, 1)
    assert error_of(tmp_path / "judge", judge={"head": "style", "label": "star"}).code == "judge.gate-failed"


def test_a_detector_needs_no_gate(tmp_path: Path) -> None:
    pinned = {"package": "nudenet", "version": "3.4.2", "classes": ["FACE_MALE"], "threshold": 0.6}
    assert gate_error(task(detector=pinned), tmp_path / "judge", DIGEST) is None


def test_a_broken_gate_file_is_refused(tmp_path: Path) -> None:
    gate_path(tmp_path / "judge").write_text("{}")
    with raises("judge.bad-gate"):
        read_gate(tmp_path / "judge")
    write(tmp_path / "judge", 1, 1)
    assert isinstance(read_gate(tmp_path / "judge"), JudgeGate)


@pytest.mark.parametrize("changes", [{"train": ["a photo"]}, {"held_out": ["a photo of {}"]}, {"without": ["a wall"]}])
def test_templates_that_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Templates.model_validate({"train": ["a photo of {}"], "held_out": ["a sketch of {}"], **changes})
