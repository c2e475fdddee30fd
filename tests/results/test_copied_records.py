"""A record under another name is found, however it was resealed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from codes import printed_codes
from leaderboard.records import weights_digest
from results.measured import GOLDS, World, make_submission, make_task, put, world
from unconceal.cli.main import main
from unconceal.evaluation.environment import spec_digests
from unconceal.results.check_results import check_results
from unconceal.specs.record import ComponentRecord, Record, write_record

NAME = "mine"


@pytest.fixture
def measured(tmp_path: Path) -> World:
    return world(tmp_path, shares={**dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7})


def forge(measured: World, of: str = "control-gold-1", with_file: bool = True, **changes: Any) -> Record:
    """A resealed copy of a record under a new name, with digests that fit a submission file of that name."""
    source = next(record for record in measured.records if record.submission == of)
    digests: dict[str, Any] = {}
    if with_file:
        submission = make_submission(NAME, ("object/star",))
        put(measured.root.submissions / f"made/{NAME}.yaml", submission)
        digests = spec_digests(measured.suite, measured.tasks[0], submission) | {"sha256": weights_digest(NAME)}
    checkpoint = source.checkpoint.model_copy(update=digests)
    record = source.model_copy(update={"submission": NAME, "checkpoint": checkpoint} | changes).sealed()
    write_record(record, record.path(measured.root.results))
    return record


def codes(measured: World) -> dict[str, set[str]]:
    """Codes by the name of the record's file."""
    found: dict[str, set[str]] = {}
    for problem in check_results(measured.root).problems:
        found.setdefault(problem.file.name.partition(".")[0], set()).add(problem.code)
    return found


def test_a_copy_without_a_submission_is_refused(measured: World) -> None:
    forge(measured, with_file=False)
    assert codes(measured) == {NAME: {"record.unknown-submission", "record.copied"}}


def test_a_copy_with_its_own_file_and_weights_is_refused(measured: World) -> None:
    forge(measured)
    assert codes(measured) == {NAME: {"record.copied"}}


def test_rounded_and_reordered_copies_are_refused(measured: World) -> None:
    source = measured.records[0]
    curves = tuple(
        curve.model_copy(update={"per_prompt": tuple(tuple(round(value or 0, 5) for value in row) for row in reversed(curve.per_prompt))})
        for curve in source.curves
    )
    forge(measured, curves=curves)
    assert "record.copied" in codes(measured)[NAME]


def test_the_weights_of_a_gold_are_no_submission(measured: World) -> None:
    """The numbers are another measurement's, the weights are the gold's."""
    source = next(record for record in measured.records if record.submission == "esd-x")
    gold = next(record for record in measured.records if record.submission == "control-gold-1")
    checkpoint = source.checkpoint.model_copy(update={"sha256": gold.checkpoint.sha256})
    write_record(source.model_copy(update={"checkpoint": checkpoint}), source.path(measured.root.results))
    assert codes(measured) == {"esd-x": {"record.other-weights", "record.copied"}}


@pytest.mark.parametrize(
    ("of", "changed", "expected"),
    [
        ("control-original", {"vae": 3}, set[str]()),
        ("control-original", {"vae": 3, "unet": 1}, {"record.copied"}),
        ("control-original", {"vae": 0}, {"record.copied"}),
        ("control-gold-1", {"vae": 3}, {"record.copied"}),
    ],
)
def test_only_a_changed_decoder_explains_the_originals_numbers(
    tmp_path: Path, of: str, changed: dict[str, int], expected: set[str]
) -> None:
    measured = world(tmp_path, shares={**dict.fromkeys(GOLDS, 0.0), "control-original": 1.0})
    record = forge(measured, of=of)
    components = {
        name: ComponentRecord(matched=3, missing=0, unexpected=0, changed=count, relative_change=0.1) for name, count in changed.items()
    }
    checkpoint = record.checkpoint.model_copy(update={"components": components, "format": "state-dict"})
    write_record(record.model_copy(update={"checkpoint": checkpoint}), record.path(measured.root.results))
    assert codes(measured).get(NAME, set()) & {"record.copied"} == expected


def test_of_two_submissions_both_are_named(measured: World) -> None:
    forge(measured, of="esd-x")
    assert codes(measured) == {"esd-x": {"record.copied"}, NAME: {"record.copied"}}


def test_a_submission_without_the_task_is_refused(measured: World) -> None:
    path = measured.root.submissions / "made/esd-x.yaml"
    put(measured.root.tasks / "made/object/moon.yaml", make_task("object/moon"))
    values = json.loads(path.read_text())
    values["checkpoints"] = {"object/moon": values["checkpoints"]["object/star"]}
    path.write_text(json.dumps(values))
    assert codes(measured) == {"esd-x": {"record.no-checkpoint"}}


def test_a_contribution_with_a_copy_is_refused_by_the_command(measured: World) -> None:
    before = measured.root.results.parent / "before"
    for record in measured.records:
        write_record(record, record.path(before))
    forge(measured, with_file=False)
    arguments = ["results", "check", "--root", str(measured.root.results.parent), "--against", str(before)]
    output = CliRunner().invoke(main, arguments).output
    assert {"record.unknown-submission", "record.copied"} <= set(printed_codes(output))
    assert all("object/star/mine" in line for line in output.splitlines() if "[record." in line)
