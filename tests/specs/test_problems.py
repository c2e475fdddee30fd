"""Pydantic's errors in our words."""

from __future__ import annotations

from pathlib import Path

import pytest

from unconceal.specs.problems import Problem, SpecProblems, dotted_name, field_names_at, model_at, short_repr, suggestion
from unconceal.specs.submission import Checkpoint, Submission
from unconceal.specs.suite import Seeds, Suite, Tier
from unconceal.specs.task import Prompt, Task


def test_a_place_leads_to_its_model() -> None:
    assert model_at(Suite, ("tiers", "full")) is Tier
    assert model_at(Suite, ("tiers", "full", "seeds")) is Seeds
    assert model_at(Task, ("forget", 3)) is Prompt
    assert model_at(Submission, ("checkpoints", "object/star")) is Checkpoint
    assert model_at(Task, ("title",)) is None and model_at(Task, ("absent", "deeper")) is None
    assert field_names_at(Task, ("forget", 0)) == ("text", "concept", "head", "license", "source")


def test_words() -> None:
    assert dotted_name(("tiers", "full", "psi", 3)) == "tiers.full.psi[3]" and dotted_name(()) == "the file"
    assert short_repr({"a": 1}) == "a mapping" and short_repr([1]) == "a list" and len(short_repr("x" * 1000)) <= 60
    assert "star" in suggestion("stra", ["star", "moon"]) and "moon" not in suggestion("stra", ["star", "moon"])
    assert all(name in suggestion("xyz", ["star", "moon"]) for name in ("star", "moon"))


def test_problems_sort_by_line_and_keep_to_one_line_each(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    later, whole = (
        Problem("spec.invalid-value", tmp_path / "a.yaml", 7, "x", "is\nwrong", "mend it"),
        Problem("spec.invalid-value", tmp_path / "a.yaml", None, "y", "c", "r"),
    )
    error = SpecProblems([later, whole, later])
    assert str(error) == "a.yaml: y: c; r\na.yaml:7: x: is wrong; mend it"
    assert error.exit_code == 1 and error.problems == (whole, later)
