from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codes import raises
from results.measured import World, measure, world
from unconceal.cli.main import main
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.results.check_results import check_results
from unconceal.results.rerun_agreement import compare_scores, disagreement, rerun_record, with_verification
from unconceal.specs.record import Code, Record, read_record, write_record

WHO = ("a maintainer", "2026-11-26")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world(tmp_path_factory.mktemp("world"))


def stored(measured: World, name: str = "esd-x") -> Record:
    return next(record for record in measured.records if record.submission == name)


def golds(measured: World) -> list[Record]:
    return [record for record in measured.records if record.submission.startswith("control-gold")]


def rerun_of(measured: World, knows: float = 0.7, seed: int = 1, **changes: object) -> Record:
    """A re-run of esd-x, compared with the same golds."""
    record = measure(measured.suite, measured.tasks[0], "esd-x", knows, seed).model_copy(update=changes)
    return rerun_record(record, golds(measured), measured.suite, measured.tasks[0], *WHO)


def test_the_same_numbers_agree(measured: World) -> None:
    rerun = rerun_of(measured, seed=0)
    assert all(comparison.agrees for comparison in compare_scores(stored(measured), rerun)) and disagreement(stored(measured), rerun) == ""
    record = with_verification(stored(measured), rerun, *WHO)
    assert record.verification.status == "rerun" and record.verification.by == "a maintainer"
    assert record.verification.reason == f"agrees with the self-reported record {stored(measured).digest[:12]}"
    assert record.digest == record.computed_digest() and record.scores == rerun.scores


def test_other_noise_agrees_within_the_interval(measured: World) -> None:
    rerun = rerun_of(measured, seed=1)
    assert rerun.scores["excess"].value != stored(measured).scores["excess"].value and disagreement(stored(measured), rerun) == ""


def test_a_score_outside_the_stored_interval_disputes_the_row(measured: World) -> None:
    rerun = rerun_of(measured, knows=0.35)
    assert rerun.verdict.label == stored(measured).verdict.label == "conceals"
    record = with_verification(stored(measured), rerun, *WHO)
    assert record.verification.status == "disputed" and "excess" in record.verification.reason and "outside [" in record.verification.reason
    assert record.scores == stored(measured).scores, "the disputed numbers stay"


def test_another_verdict_disputes_the_row(measured: World) -> None:
    rerun = rerun_of(measured, knows=1.0)
    assert disagreement(stored(measured), rerun) == "a re-run says intact, not conceals"


def test_undefined_agrees_with_undefined_only(measured: World) -> None:
    without = compute_verdict(measure(measured.suite, measured.tasks[0], "esd-x", 0.7), [], measured.suite, measured.tasks[0])
    agrees = {comparison.score: comparison.agrees for comparison in compare_scores(stored(measured), without)}
    assert not agrees["excess"] and agrees["presence"]


def test_a_rerun_needs_a_clean_tree_a_commit_and_weights(measured: World) -> None:
    for changes, code in (
        ({"code": Code(version="0.1.0", commit="f" * 40, dirty=True)}, "record.dirty-code"),
        ({"code": Code(version="0.1.0")}, "record.bad-commit"),
        ({"checkpoint": stored(measured).checkpoint.model_copy(update={"sha256": None})}, "record.no-weights-digest"),
    ):
        with raises(code):
            rerun_of(measured, **changes)


def test_a_rerun_of_something_else_says_nothing(measured: World) -> None:
    other = stored(measured).checkpoint.model_copy(update={"sha256": "cd" * 32})
    with raises("rerun.not-comparable"):
        compare_scores(stored(measured), rerun_of(measured, checkpoint=other))


def run(measured: World, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["results", *arguments, "--root", str(measured.root.results.parent), "--by", "a maintainer"])


def test_the_commands_write_the_outcome(tmp_path: Path) -> None:
    measured = world(tmp_path)
    path, rerun = stored(measured).path(measured.root.results), tmp_path / "rerun"
    row = ("esd-x", "--task", "object/star")
    write_record(rerun_of(measured, knows=0.35), stored(measured).path(rerun))
    before = path.read_bytes()
    result = run(measured, "compare", *row, "--with", str(rerun))
    assert result.exit_code == 1 and path.read_bytes() == before
    assert run(measured, "compare", *row, "--with", str(rerun), "--write").exit_code == 1
    assert read_record(path).verification.status == "disputed"
    write_record(rerun_of(measured, seed=1), stored(measured).path(rerun))
    result = run(measured, "compare", *row, "--with", str(rerun), "--write")
    assert result.exit_code == 0
    assert read_record(path).verification.status == "rerun" and check_results(measured.root).problems == ()
    assert run(measured, "mark", *row, "--status", "withdrawn", "--reason", "wrong weights").exit_code == 0
    assert read_record(path).verification.reason == "wrong weights" and check_results(measured.root).problems == ()
