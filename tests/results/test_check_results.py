from __future__ import annotations

from pathlib import Path

from leaderboard.records import control, data_root, record, stored, write
from unconceal.paths import DataRoot
from unconceal.results.check_results import check_results
from unconceal.specs.record import Code, Verification, write_record


def said(root: DataRoot) -> list[str]:
    return [f"{problem.value}: {problem.consequence}" for problem in check_results(root, recompute=False)[1]]


def test_good_records_pass(tmp_path: Path) -> None:
    gold = control("gold-1")
    root = data_root(tmp_path, gold, record(controls={"control-gold-1": gold.measured_digest}))
    assert check_results(root, recompute=False) == (2, ())


def test_no_results_pass(tmp_path: Path) -> None:
    assert check_results(data_root(tmp_path)) == (0, ())


def test_every_problem_of_every_record_at_once(tmp_path: Path) -> None:
    root = data_root(tmp_path, record("esd-u", task="object/moon"), record("esd-y", suite="other"), record("esd-z", suite_version=7))
    place = stored(record("altered"), root.results).path
    write(root, record("altered"))
    place.write_text(place.read_text().replace(record().checkpoint.task_digest, "cd" * 32))
    (place.parent / "broken.json").write_text("{}")
    write_record(record("moved"), place.parent / "elsewhere.json")
    found = said(root)
    for expected in (
        "task 'object/moon': does not exist",
        "suite 'other': does not exist",
        "suite_version 7: is none of",
        "digest: does not hold",
        "verdict: is no record",
        "checkpoint: is no record",
        "its place: disagrees",
        "beside altered.standard-full.json: was measured under different task files",
    ):
        assert any(line.startswith(expected) for line in found), expected
    assert check_results(root)[0] == 6


def test_controls_must_be_there_with_that_digest(tmp_path: Path) -> None:
    root = data_root(tmp_path, control("gold-1"), record(controls={"control-gold-1": "cd" * 32, "control-gold-2": "ab" * 32}))
    assert said(root) == [
        "control control-gold-1: was replaced after this record was scored",
        "control control-gold-2: is not there, so the scores can't be repeated",
    ]


def test_a_gold_of_another_tier_is_not_the_control(tmp_path: Path) -> None:
    gold = control("gold-1", tier="lite")
    root = data_root(tmp_path, gold, record(controls={"control-gold-1": gold.measured_digest}))
    assert said(root) == ["control control-gold-1: is not there, so the scores can't be repeated"]


def test_a_dirty_tree_is_no_rerun(tmp_path: Path) -> None:
    said_so = Verification(status="rerun", by="someone", date="2026-11-26", reason="agrees")
    dirty = record(verification=said_so, code=Code(version="0.1.0", commit="f" * 40, dirty=True))
    found = said(data_root(tmp_path, dirty))
    assert "verification rerun: stands on uncommitted code, which nobody can repeat" in found
    assert "verification rerun: is of other weights than the submission pins" in found


def test_columns_of_a_curve_are_equally_long(tmp_path: Path) -> None:
    short = record().curves[0].model_copy(update={"k": (1, 2)})
    assert said(data_root(tmp_path, record(curves=(short,)))) == ["curve presence: has columns of unequal length"]


def test_golds_may_name_each_other(tmp_path: Path) -> None:
    digests = {number: control(f"gold-{number}").measured_digest for number in (1, 2)}
    pair = [control(f"gold-{number}", controls={f"control-gold-{3 - number}": digests[3 - number]}) for number in (1, 2)]
    assert said(data_root(tmp_path, *pair)) == []
