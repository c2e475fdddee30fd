"""Comparison of proximity rankers over tasks and methods, against ρ from scipy, and its page."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr, t

from leaderboard.probed import CONCEPTS, MIXED, NEAR, damaged
from unconceal.specs.probe_results import ProbeResults
from unconceal.specs.record import Record
from unconceal_lab.reports.proximity_rankers import ProbeGrid, compare, compare_all, probe_grid, ranker_rho, ranking_result
from unconceal_lab.reports.proximity_rankers_page import MIN_TASKS, is_significant, rankers_page

TASKS = tuple(f"object/task-{number}" for number in range(6))


def records(tasks: tuple[str, ...] = TASKS) -> list[Record]:
    methods = ("esd-x", "uce", "control-original")
    return [damaged(task, method, 0.3, seed=3 * i + j) for i, task in enumerate(tasks) for j, method in enumerate(methods)]


@pytest.fixture(scope="module")
def grid() -> ProbeGrid:
    return probe_grid(records())


def expected_rho(record: Record, proximity: dict[str, float], concepts: tuple[str, ...] = CONCEPTS[:-1]) -> float:
    """ρ over the eligible concepts (all but the last)."""
    assert record.probe_results is not None
    values = {item.concept: item.damage["clip"].value for item in record.probe_results.neighbours}
    return float(spearmanr([proximity[concept] for concept in concepts], [values[concept] for concept in concepts]).statistic)


def test_controls_are_excluded(grid: ProbeGrid) -> None:
    assert grid.tasks == TASKS and grid.methods == ("esd-x", "uce") and len(grid.cells) == 12
    assert list(grid.rankers) == ["careful", "weak", "clip-text"]


def test_mean_over_tasks_of_means_over_methods(grid: ProbeGrid) -> None:
    result = ranking_result(grid, "careful", "clip")
    table = np.array([[expected_rho(record, NEAR) for record in records() if record.task == task][:2] for task in TASKS])
    by_task = table.mean(axis=1)
    half_width = t.ppf(0.975, 5) * by_task.std(ddof=1) / 6**0.5
    assert result.mean == pytest.approx(by_task.mean()) and result.by_task == pytest.approx(tuple(by_task))
    assert result.interval == pytest.approx((by_task.mean() - half_width, by_task.mean() + half_width))
    assert ranking_result(grid, "careful", "kid").mean is None


def test_pairs_use_the_neighbours_that_both_rank() -> None:
    """One ranker leaves out three concepts, so the other's ρ excludes them too."""
    record = records()[0]
    assert record.probe_results is not None
    proximity = {concept: MIXED[concept] for concept in CONCEPTS[3:]}
    rankers = (*record.probe_results.rankers[:1], record.probe_results.rankers[1].model_copy(update={"proximity": proximity}))
    subset: ProbeResults = record.probe_results.model_copy(update={"rankers": rankers})
    assert ranker_rho(subset, "careful", "clip") == pytest.approx(expected_rho(record, NEAR))
    assert ranker_rho(subset, "careful", "clip", "weak") == pytest.approx(expected_rho(record, NEAR, CONCEPTS[3:-1]))
    assert ranker_rho(subset, "careful", "clip", "missing") is None
    short_ranker = rankers[1].model_copy(update={"proximity": {concept: MIXED[concept] for concept in CONCEPTS[5:]}})
    assert ranker_rho(subset.model_copy(update={"rankers": (rankers[0], short_ranker)}), "careful", "clip", "weak") is None


def test_pairs_and_random_order(grid: ProbeGrid) -> None:
    result = {(item.first, item.second): item for item in compare_all(grid, ("clip",))}
    assert set(result) == {
        ("careful", "weak"),
        ("careful", "clip-text"),
        ("weak", "clip-text"),
        ("careful", "random order"),
        ("weak", "random order"),
        ("clip-text", "random order"),
    }
    better = result["careful", "weak"]
    assert is_significant(better) and better.comparison is not None and better.comparison.difference > 0
    chance = result["careful", "random order"].comparison
    assert chance is not None and chance.difference == pytest.approx(ranking_result(grid, "careful", "clip").mean)
    # Both rankers give the same order, so no interval can exclude 0.
    assert not is_significant(result["weak", "clip-text"])


def test_few_tasks_are_never_significant() -> None:
    few = probe_grid(records(TASKS[: MIN_TASKS - 1]))
    assert not is_significant(compare(few, "careful", "weak", "clip"))


def test_page(grid: ProbeGrid) -> None:
    text = rankers_page("miniature, version 2, tier full", grid, [])
    assert "6 tasks, 2 methods (esd-x, uce), 12 records" in text
    assert "| KID" in text and "object/task-5" in text and ".77" in text
    assert "- careful is significantly better than weak" in text and text.endswith("\n")
