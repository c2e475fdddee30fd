"""Forward passes counted by hand, the lower bound, and the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from generate.small import plan, suite
from unconceal.errors import CheckFailed
from unconceal.paths import SOURCE_TREE
from unconceal_lab.bench.bench_results import BenchResults
from unconceal_lab.bench.forward_passes import (
    ForwardPasses,
    hours,
    min_forward_passes,
    planned_forward_passes,
    released_forward_passes,
)
from unconceal_lab.bench.performance_page import TABLES, UNMEASURED, write_page
from unconceal_lab.bench.released_pipeline import image_requests
from unconceal_lab.bench.speed import Cost, SpeedComparison
from unconceal_lab.bench.worker_scaling import PlanningTime


def test_forward_passes_of_the_small_plan() -> None:
    """By hand: 4 steps; 2 prompts × (3 train, 2 reference, 2 evaluation), 2 retain prompts × (1, 2 reference); k = 0, 1, 2, 4.

    Retained images continue without a prompt as well, those of θ* and those of θ.
    """
    original = (6 + 4 + 4 + 2 + 4) * 4 * 2 + 2 * 4
    unlearned = (6 + 4 + 4) * 4 * 2 + 2 * 4 * 2 + 2 * 4
    branches = 4 * (2 + 1) * (4 + 3 + 2)
    assert planned_forward_passes(plan()) == (original, unlearned + branches)


def test_the_lower_bound_saves_the_pass_that_both_arms_share() -> None:
    """At each of k = 0, 1, 2 of the four evaluation images, and at k = 0 of the two retained ones."""
    bound, planned = min_forward_passes(plan(), suite()), planned_forward_passes(plan())
    assert bound == ForwardPasses(planned.original, planned.per_submission - 4 * 3 - 2)


def test_the_released_evaluation_starts_every_image_from_noise() -> None:
    """Each of the 14 images that need λU twice (ψ = 0 and 1); four evaluation images in both arms; two retain images twice in both."""
    requests = image_requests(plan(), 4)
    whole, empty = (6 + 4 + 4) * 2 + 4 * 4 + 2 * 2, [2 * k + 4 - k for k in (0, 1, 2)]
    assert len(requests) == whole + 4 * 3 + 2 == len(set(requests))
    assert released_forward_passes(plan(), suite()) == whole * 8 + 4 * sum(empty) + 2 * empty[0]


def test_hours() -> None:
    total = hours(ForwardPasses(1000, 100), tasks=2, submissions=5, workers=4, forward_passes_per_second=10, judging_seconds=3)
    assert total == pytest.approx((300 + 30) / 4 / 3600)


def results() -> BenchResults:
    first = Cost(generate=100, judge=50, forward_passes=1000, images=10, peak_mb=900)
    further = first.model_copy(update={"generate": 50, "forward_passes": 505})
    released = first.model_copy(update={"generate": 800, "forward_passes": 4000})
    speed = SpeedComparison(
        sample="a sample", first=first, further=further, released=released, min_forward_passes=(1000, 500), image_difference=0.1
    )
    planning = PlanningTime(submissions=1, tasks=2, shards=3, forward_passes=4, seconds=5)
    return BenchResults(machines={"speed": "a machine"}, speed=speed, planning=planning)


def test_the_page_keeps_its_text_and_fills_in_its_tables(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("".join(f"before {name}\n<!-- measured: {name} -->\nold\n<!-- end -->\nafter\n" for name in TABLES))
    write_page(page, results())
    text = page.read_text()
    assert "16.0 ×" in text and "8.0 ×" in text and "500 (+1.0%)" in text and "a machine" in text
    assert "old" not in text and text.count(UNMEASURED) == len(TABLES) - 3 and text.count("after") == len(TABLES)
    write_page(page, results())
    assert page.read_text() == text


def test_the_published_page_has_a_marker_for_every_table() -> None:
    text = (SOURCE_TREE / "docs/reports/performance.md").read_text()
    assert all(f"<!-- measured: {name} -->" in text for name in TABLES)


def test_results_are_read_as_written(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results().write(path)
    assert BenchResults.read(path) == results() and BenchResults.read(tmp_path / "none.json") == BenchResults()
    path.write_text("[]")
    with pytest.raises(CheckFailed) as caught:
        BenchResults.read(path)
    assert caught.value.code == "bench.other-version"


def test_a_page_without_a_marker_is_refused(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("nothing")
    for name, code in (("page.md", "bench.missing-marker"), ("other.md", "bench.missing-page")):
        with pytest.raises(CheckFailed) as caught:
            write_page(tmp_path / name, results())
        assert caught.value.code == code
