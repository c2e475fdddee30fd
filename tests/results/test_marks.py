"""Marks are complete, can be taken back, stay in the record, and change no id that a citation names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from codes import printed_codes, raises
from leaderboard.records import data_root, record
from unconceal.cli.main import main
from unconceal.paths import DataRoot
from unconceal.results.check_results import check_results
from unconceal.results.marks import is_iso_date, record_ids, with_mark, without_mark
from unconceal.specs.record import Record, Verification, read_record

PATH = Path("results/esd-x.json")
WHO = ("a maintainer", "2026-11-30", "the weights were right", PATH)


def mark(status: Any = "withdrawn", by: str = "someone", date: str = "2026-11-26", reason: str = "wrong weights") -> Verification:
    return Verification(status=status, by=by, date=date, reason=reason)


@pytest.mark.parametrize("changes", [{"by": " "}, {"reason": ""}, {"date": "yesterday"}, {"date": "2026-13-01"}, {"date": "20261126"}])
def test_a_mark_says_who_when_and_why(changes: dict[str, str]) -> None:
    with raises("mark.incomplete"):
        with_mark(record(), mark(**changes), PATH)
    with raises("mark.incomplete"):
        without_mark(
            with_mark(record(), mark(), PATH), changes.get("by", "a"), changes.get("date", "2026-11-30"), changes.get("reason", "b"), PATH
        )


def test_days_are_written_in_one_way() -> None:
    assert is_iso_date("2026-11-30") and not any(map(is_iso_date, ("2026-W48-1", "2026-11-31", "30.11.2026", "2026-11-30T10:00:00")))


def test_a_mark_is_taken_back_and_both_are_kept() -> None:
    rerun = record(verification=mark("rerun", reason="agrees"))
    row = without_mark(with_mark(with_mark(rerun, mark("disputed"), PATH), mark("withdrawn"), PATH), *WHO)
    assert (row.verification.status, row.verification.by) == ("rerun", "a maintainer")
    assert [state.status for state in row.earlier_verifications] == ["rerun", "disputed", "withdrawn"]
    with raises("mark.none"):
        without_mark(row, *WHO)


def test_ids_of_before_a_mark_still_name_the_row() -> None:
    states: list[Record] = [record()]
    states.append(with_mark(states[-1], mark("disputed"), PATH))
    states.append(with_mark(states[-1], mark("withdrawn"), PATH))
    states.append(without_mark(states[-1], *WHO))
    assert len({state.digest for state in states}) == 4 and len({state.measured_digest for state in states}) == 1
    assert {state.digest for state in states} < {*record_ids(states[-1])}


def run(root: DataRoot, verb: str, *arguments: str) -> Result:
    fixed = ("results", verb, "esd-x", "--task", "object/star", "--root", str(root.results.parent))
    return CliRunner().invoke(main, [*fixed, *arguments])


def test_the_commands_refuse_empty_names_and_keep_the_file(tmp_path: Path) -> None:
    root = data_root(tmp_path, record())
    path = record().path(root.results)
    before = path.read_bytes()
    for options in (("--by", ""), ("--by", " "), ("--by", "me", "--date", "soon")):
        assert run(root, "mark", *options, "--status", "withdrawn", "--reason", "wrong").exit_code == 2
    assert printed_codes(run(root, "mark", "--by", "", "--status", "disputed", "--reason", "why").output) == ["mark.incomplete"]
    assert printed_codes(run(root, "unmark", "--by", "me", "--reason", "right").output) == ["mark.none"] and path.read_bytes() == before
    assert run(root, "mark", "--by", "me", "--status", "withdrawn", "--reason", "wrong").exit_code == 0
    assert run(root, "unmark", "--by", "you", "--reason", "right").exit_code == 0
    stored = read_record(path)
    assert [(state.status, state.by) for state in (*stored.earlier_verifications, stored.verification)] == [
        ("self_reported", ""),
        ("withdrawn", "me"),
        ("self_reported", "you"),
    ]
    assert check_results(root, recompute=False).problems == ()
