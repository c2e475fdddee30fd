from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from results.measured import World, measure, world
from unconceal.cli.main import main
from unconceal.errors import CheckFailed
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.results.check_results import check_results
from unconceal.results.rerun_agreement import compare, objection, read_again, verified
from unconceal.specs.record import Code, Record, read_record, write_record

WHO = ("a maintainer", "2026-11-26")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world(tmp_path_factory.mktemp("world"))


def stored(made: World, name: str = "esd-x") -> Record:
    return next(record for record in made.records if record.submission == name)


def golds(made: World) -> list[Record]:
    return [record for record in made.records if record.submission.startswith("control-gold")]


def again(made: World, knows: float = 0.7, seed: int = 1, **changes: object) -> Record:
    """Another measurement of esd-x, read against the same golds."""
    found = measure(made.suite, made.tasks[0], "esd-x", knows, seed).model_copy(update=changes)
    return read_again(found, golds(made), made.suite, made.tasks[0], *WHO)


def test_the_same_numbers_agree(made: World) -> None:
    rerun = again(made, seed=0)
    assert all(one.agrees for one in compare(stored(made), rerun)) and objection(stored(made), rerun) == ""
    record = verified(stored(made), rerun, *WHO)
    assert record.verification.status == "rerun" and record.verification.by == "a maintainer"
    assert record.verification.reason == f"agrees with the self-reported record {stored(made).digest[:12]}"
    assert record.digest == record.computed_digest() and record.scores == rerun.scores


def test_other_noise_agrees_within_the_interval(made: World) -> None:
    rerun = again(made, seed=1)
    assert rerun.scores["excess"].value != stored(made).scores["excess"].value and objection(stored(made), rerun) == ""


def test_a_score_outside_the_stored_interval_disputes_the_row(made: World) -> None:
    rerun = again(made, knows=0.35)
    assert rerun.verdict.label == stored(made).verdict.label == "conceals"
    record = verified(stored(made), rerun, *WHO)
    assert record.verification.status == "disputed" and "excess" in record.verification.reason and "outside [" in record.verification.reason
    assert record.scores == stored(made).scores, "the numbers that are disputed stay"


def test_another_verdict_disputes_the_row(made: World) -> None:
    rerun = again(made, knows=1.0)
    assert objection(stored(made), rerun) == "a re-run says intact, not conceals"


def test_undefined_agrees_with_undefined_only(made: World) -> None:
    without = compute_verdict(measure(made.suite, made.tasks[0], "esd-x", 0.7), [], made.suite, made.tasks[0])
    found = {one.score: one.agrees for one in compare(stored(made), without)}
    assert not found["excess"] and found["presence"]


def test_a_rerun_needs_a_clean_tree_a_commit_and_weights(made: World) -> None:
    for changes, why in (
        ({"code": Code(version="0.1.0", commit="f" * 40, dirty=True)}, "uncommitted code"),
        ({"code": Code(version="0.1.0")}, "names no commit"),
        ({"checkpoint": stored(made).checkpoint.model_copy(update={"sha256": None})}, "no digest of the weights"),
    ):
        with pytest.raises(CheckFailed, match=why):
            again(made, **changes)


def test_a_rerun_of_something_else_says_nothing(made: World) -> None:
    other = stored(made).checkpoint.model_copy(update={"sha256": "cd" * 32})
    with pytest.raises(CheckFailed, match=r"is of another sha256, so it says nothing"):
        compare(stored(made), again(made, checkpoint=other))


def run(made: World, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["results", *arguments, "--root", str(made.root.results.parent), "--by", "a maintainer"])


def test_the_verbs_enter_what_came_out(tmp_path: Path) -> None:
    made = world(tmp_path)
    place, rerun = stored(made).path(made.root.results), tmp_path / "rerun"
    row = ("esd-x", "--task", "object/star")
    write_record(again(made, knows=0.35), stored(made).path(rerun))
    before = place.read_bytes()
    result = run(made, "compare", *row, "--with", str(rerun))
    assert result.exit_code == 1 and "with --write the row becomes disputed" in result.output and place.read_bytes() == before
    assert run(made, "compare", *row, "--with", str(rerun), "--write").exit_code == 1
    assert read_record(place).verification.status == "disputed"
    write_record(again(made, seed=1), stored(made).path(rerun))
    result = run(made, "compare", *row, "--with", str(rerun), "--write")
    assert result.exit_code == 0 and "its record stands in the table now" in result.output
    assert read_record(place).verification.status == "rerun" and check_results(made.root)[1] == ()
    assert run(made, "mark", *row, "--status", "withdrawn", "--why", "wrong weights").exit_code == 0
    assert read_record(place).verification.reason == "wrong weights" and check_results(made.root)[1] == ()
