from __future__ import annotations

from pathlib import Path

from leaderboard.records import control, data_root, record, stored, submission, write
from unconceal.paths import DataRoot
from unconceal.results.check_results import check_results
from unconceal.specs.record import Code, Verification, write_record


def write_submissions(root: DataRoot, *names: str) -> None:
    """The files of further submissions."""
    for name in names:
        (root.submissions / f"miniature/{name}.yaml").write_text(submission(name, name).model_dump_json(exclude_none=True))


def codes(root: DataRoot) -> list[tuple[str, str]]:
    """(code, value) of every problem."""
    return [(problem.code, problem.value) for problem in check_results(root, recompute=False).problems]


def test_good_records_pass(tmp_path: Path) -> None:
    gold = control("gold-1")
    root = data_root(tmp_path, gold, record(controls={"control-gold-1": gold.measured_digest}))
    assert check_results(root, recompute=False) == (2, ())


def test_no_results_pass(tmp_path: Path) -> None:
    assert check_results(data_root(tmp_path)) == (0, ())


def test_every_problem_of_every_record_at_once(tmp_path: Path) -> None:
    root = data_root(tmp_path, record("esd-u", task="object/moon"), record("esd-y", suite="other"), record("esd-z", suite_version=7))
    path = stored(record("altered"), root.results).path
    write(root, record("altered"))
    write_submissions(root, "altered", "moved", "esd-z")
    path.write_text(path.read_text().replace(record().checkpoint.task_digest, "cd" * 32))
    (path.parent / "broken.json").write_text("{}")
    write_record(record("moved"), path.parent / "elsewhere.json")
    write(root, record("nobody"))
    problems = codes(root)
    for expected in (
        ("record.unknown-task", "task 'object/moon'"),
        ("record.unknown-suite", "suite 'other'"),
        ("record.unknown-version", "suite_version 7"),
        ("record.altered", "digest"),
        ("record.invalid", "verdict"),
        ("record.invalid", "checkpoint"),
        ("record.wrong-path", "its path"),
        ("record.mixed-settings", f"beside {path}"),
        ("record.unknown-submission", "submission 'nobody'"),
    ):
        assert expected in problems, expected
    assert check_results(root).n_records == 7


def test_controls_must_be_there_with_that_digest(tmp_path: Path) -> None:
    root = data_root(tmp_path, control("gold-1"), record(controls={"control-gold-1": "cd" * 32, "control-gold-2": "ab" * 32}))
    assert codes(root) == [("record.replaced-control", "control control-gold-1"), ("record.missing-control", "control control-gold-2")]


def test_a_gold_of_another_tier_is_not_the_control(tmp_path: Path) -> None:
    gold = control("gold-1", tier="quick")
    root = data_root(tmp_path, gold, record(controls={"control-gold-1": gold.measured_digest}))
    assert codes(root) == [("record.missing-control", "control control-gold-1")]


def test_a_dirty_tree_is_no_rerun(tmp_path: Path) -> None:
    verification = Verification(status="rerun", by="someone", date="2026-11-26", reason="agrees")
    dirty = record(verification=verification, code=Code(version="0.1.0", commit="f" * 40, dirty=True))
    problems = codes(data_root(tmp_path, dirty))
    assert ("record.dirty-code", "verification rerun") in problems
    assert ("record.other-weights", "checkpoint.sha256") in problems, "the submission pins none"


def test_columns_of_a_curve_are_equally_long(tmp_path: Path) -> None:
    short = record().curves[0].model_copy(update={"k": (1, 2)})
    assert codes(data_root(tmp_path, record(curves=(short,)))) == [("record.unequal-columns", "curve presence")]


def test_golds_may_name_each_other(tmp_path: Path) -> None:
    digests = {number: control(f"gold-{number}").measured_digest for number in (1, 2)}
    pair = [control(f"gold-{number}", controls={f"control-gold-{3 - number}": digests[3 - number]}) for number in (1, 2)]
    root = data_root(tmp_path, *pair)
    write_submissions(root, "control-gold-2")
    assert codes(root) == []
