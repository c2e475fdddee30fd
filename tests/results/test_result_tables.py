from __future__ import annotations

from pathlib import Path

from codes import raises
from leaderboard.records import control, data_root, record, write
from unconceal.results.result_tables import load_all_tables, load_records, record_paths, select_tiers
from unconceal.specs.record import write_record


def test_one_table_per_task_and_tier(tmp_path: Path) -> None:
    root = data_root(tmp_path, record(), control("gold-1"), record(tier="quick"), record(task="art-style/striped"))
    tables = load_all_tables([root.results])
    assert [(table.task, table.tier, len(table.rows)) for table in tables] == [
        ("art-style/striped", "full", 1),
        ("object/star", "full", 2),
        ("object/star", "quick", 1),
    ]
    assert [gold.record.submission for gold in tables[1].golds] == ["control-gold-1"]


def test_full_is_published_and_lite_only_where_nothing_else_is(tmp_path: Path) -> None:
    root = data_root(tmp_path, record(), record(tier="quick"), record(tier="quick", task="art-style/striped"))
    assert [(table.task, table.tier) for table in select_tiers(load_all_tables([root.results]))] == [
        ("art-style/striped", "quick"),
        ("object/star", "full"),
    ]


def test_newest_suite_version_comes_first(tmp_path: Path) -> None:
    root = data_root(tmp_path, *(record(suite_version=version) for version in (1, 2, 10)))
    assert [table.version for table in load_all_tables([root.results])] == [10, 2, 1]


def test_one_tier_alone(tmp_path: Path) -> None:
    root = data_root(tmp_path, record(), record(tier="quick"))
    assert [row.record.tier for row in load_records([root.results], "miniature", 1, "quick")] == ["quick"]


def test_versions_are_never_mixed(tmp_path: Path) -> None:
    root = data_root(tmp_path)
    write_record(record(suite_version=2), root.results / "miniature-1/object/star/esd-x.standard-full.json")
    with raises("table.other-suite"):
        load_all_tables([root.results])


def test_records_of_other_judges_are_refused(tmp_path: Path) -> None:
    root = data_root(tmp_path, record(), record("esd-u", judges={"concept": "cd" * 32}))
    with raises("record.mixed-settings"):
        load_all_tables([root.results])


def test_records_of_another_task_file_are_refused(tmp_path: Path) -> None:
    other = record().checkpoint.model_copy(update={"task_digest": "cd" * 32})
    root = data_root(tmp_path, record(), record("esd-u", checkpoint=other))
    with raises("record.mixed-settings"):
        load_all_tables([root.results])


def test_a_second_record_of_a_submission_is_refused(tmp_path: Path) -> None:
    root = data_root(tmp_path, record())
    write_record(record(), root.results / "miniature-1/object/star/copy.standard-full.json")
    with raises("table.duplicate-row"):
        load_all_tables([root.results])


def test_own_records_hide_packaged_ones(tmp_path: Path) -> None:
    local, packaged = (
        data_root(tmp_path / "own", record(excess=0.3)),
        data_root(tmp_path / "wheel", record(excess=0.9), control("original")),
    )
    rows = load_records([local.results, packaged.results], "miniature", 1)
    assert {row.record.submission: row.record.scores["excess"].value for row in rows} == {"esd-x": 0.3, "control-original": 0.0}


def test_unfinished_and_other_files_are_ignored(tmp_path: Path) -> None:
    root = data_root(tmp_path, record())
    folder = root.results / "miniature-1/object/star"
    (folder / ".esd-u.standard-full.json").write_text("{")
    (root.results / "notes").mkdir()
    (root.results / "sweeps/miniature-1").mkdir(parents=True)
    (root.results / "sweeps/miniature-1/esd-x.full.json").write_text("{}")
    assert [path.name for path in record_paths(root.results)] == ["esd-x.standard-full.json"]
    write(root)
    assert len(load_all_tables([root.results])[0].rows) == 1


def test_no_results_yet(tmp_path: Path) -> None:
    assert load_all_tables([tmp_path / "results"]) == ()
