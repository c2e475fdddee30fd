"""Rows by hand, the bound, and the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from generate.small import plan, suite
from unconceal.errors import CheckFailed
from unconceal_lab.bench.bench_results import Found
from unconceal_lab.bench.forward_passes import Rows, bound, hours, released_rows, rows
from unconceal_lab.bench.performance_page import TABLES, UNMEASURED, write_page
from unconceal_lab.bench.released_pipeline import asked_of
from unconceal_lab.bench.speed import Cost, Ways
from unconceal_lab.bench.worker_scaling import Planning


def test_rows_of_the_small_plan() -> None:
    """By hand: 4 steps; 2 prompts × (3 train, 2 reference, 2 evaluation), 2 retain prompts × (1, 2 reference); k = 0, 1, 2, 4."""
    theta = (6 + 4 + 4 + 2 + 4) * 4 * 2
    alone = (6 + 4 + 4) * 4 * 2 + 2 * 4 * 2
    branches = 4 * (2 + 1) * (4 + 3 + 2)
    assert rows(plan()) == (theta, alone + branches)


def test_the_bound_saves_the_row_that_both_arms_share() -> None:
    """At each of k = 0, 1, 2 of the four evaluation pictures."""
    least, ours = bound(plan(), suite()), rows(plan())
    assert least == Rows(ours.original, ours.each - 4 * 3)


def test_the_released_way_runs_every_picture_from_its_noise() -> None:
    """Each of the 14 pictures that need λU twice (ψ = 0 and 1); four evaluation pictures in both arms; two retain pictures twice."""
    asked = asked_of(plan(), 4)
    whole, empty = (6 + 4 + 4) * 2 + 4 * 4 + 2 * 2, [2 * k + 4 - k for k in (0, 1, 2)]
    assert len(asked) == whole + 4 * 3 == len(set(asked))
    assert released_rows(plan(), suite()) == whole * 8 + 4 * sum(empty)


def test_hours() -> None:
    assert hours(Rows(1000, 100), tasks=2, submissions=5, workers=4, rows_per_second=10, judged=3) == pytest.approx((300 + 30) / 4 / 3600)


def found() -> Found:
    ours = Cost(generate=100, judge=50, evaluations=1000, pictures=10, resident=900)
    further = ours.model_copy(update={"generate": 50, "evaluations": 505})
    released = ours.model_copy(update={"generate": 800, "evaluations": 4000})
    one = Ways(sample="a sample", first=ours, further=further, released=released, bound=(1000, 500), apart=0.1)
    return Found(machines={"ways": "a machine"}, ways=one, planning=Planning(submissions=1, tasks=2, cells=3, rows=4, seconds=5))


def test_the_page_keeps_its_words_and_fills_in_its_tables(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    marks = "".join(f"before {name}\n<!-- measured: {name} -->\nold\n<!-- end -->\nafter\n" for name in TABLES)
    page.write_text(marks)
    write_page(page, found())
    text = page.read_text()
    assert "16.0 ×" in text and "8.0 ×" in text and "500 (+1.0%)" in text and "a machine" in text
    assert "old" not in text and text.count(UNMEASURED) == 3 and text.count("after") == len(TABLES)
    write_page(page, found())
    assert page.read_text() == text


def test_our_own_page_has_a_place_for_every_table() -> None:
    text = (Path(__file__).parents[2] / "docs/performance.md").read_text()
    assert all(f"<!-- measured: {name} -->" in text for name in TABLES)


def test_measurements_come_back(tmp_path: Path) -> None:
    found().write(tmp_path / "found.json")
    assert Found.read(tmp_path / "found.json") == found() and Found.read(tmp_path / "none.json") == Found()
    (tmp_path / "found.json").write_text("[]")
    with pytest.raises(CheckFailed, match="measure again"):
        Found.read(tmp_path / "found.json")


def test_a_page_without_a_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("nothing")
    with pytest.raises(CheckFailed, match="no place for a table"):
        write_page(tmp_path / "page.md", found())
    with pytest.raises(CheckFailed, match="not there"):
        write_page(tmp_path / "other.md", found())
