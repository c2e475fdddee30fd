"""A fresh re-run is no row: it is refused in tables and contributions, and its seed must draw what it names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from codes import raises
from results.fresh import drawn, fresh_record, fresh_world
from results.measured import World
from unconceal.results.contributions import check_contribution
from unconceal.results.fresh_checks import drawn_specs, fresh_flaws, keeps_prompts
from unconceal.results.result_tables import ResultRow, difference, group_rows, load_records
from unconceal.specs.record import write_record


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> World:
    return fresh_world(tmp_path_factory.mktemp("world"), {"esd-x": 0.7})


def test_the_specs_of_a_row_are_the_published_ones(measured: World) -> None:
    (row,), task = measured.records, measured.tasks[0]
    assert drawn_specs(row, measured.suite, task, measured.root) == (measured.suite, task)
    assert list(fresh_flaws(row, drawn_specs(row, measured.suite, task, measured.root), task)) == []


def test_the_specs_of_a_fresh_rerun_follow_from_its_seed(measured: World) -> None:
    record, task = fresh_record(measured, "esd-x", 0.7), measured.tasks[0]
    specs = drawn_specs(record, measured.suite, task, measured.root)
    assert specs == drawn(measured) and list(fresh_flaws(record, specs, task)) == [] and not keeps_prompts(record)
    assert {flaw.value for flaw in fresh_flaws(record, drawn(measured, 8), task)} == {
        "fresh.suite_digest",
        "fresh.task_digest",
        "seeds",
        "curves",
    }


def test_prompts_that_nothing_was_drawn_for(measured: World) -> None:
    record = fresh_record(measured, "esd-x", 0.7)
    assert record.fresh is not None
    same = record.fresh.model_copy(update={"task_digest": record.checkpoint.task_digest})
    assert keeps_prompts(record.model_copy(update={"fresh": same})) and not keeps_prompts(measured.records[0])


def test_a_fresh_rerun_is_no_row(measured: World, tmp_path: Path) -> None:
    record, (row,) = fresh_record(measured, "esd-x", 0.7), measured.records
    path = record.path(tmp_path)
    write_record(record, path)
    with raises("table.fresh-rerun"):
        load_records([tmp_path], "made", 1)
    assert difference(row, record) and not difference(record, record)
    other = record.model_copy(update={"submission": "uce"})
    with raises("record.mixed-settings"):
        group_rows([ResultRow(row, path), ResultRow(other, path)])


def test_a_contribution_brings_no_fresh_rerun(measured: World, tmp_path: Path) -> None:
    results, before = tmp_path / "results", tmp_path / "before"
    before.mkdir()
    record = fresh_record(measured, "esd-x", 0.7)
    write_record(record, record.path(results))
    root = replace(measured.root, results=results)
    assert [problem.code for problem in check_contribution(root, before)] == ["record.weights-not-reachable", "record.fresh-rerun"]
