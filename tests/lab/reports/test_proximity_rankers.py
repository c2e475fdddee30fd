"""Orderers over tasks and methods, against ρ computed here; the page says what the intervals allow and no more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr, t

from leaderboard.probed import CONCEPTS, MIXED, NEAR, damaged
from unconceal.specs.probe_results import ProbeResults
from unconceal.specs.record import Record
from unconceal_lab.reports.proximity_rankers import Field, compare, compare_all, field_of, rho_of, standing
from unconceal_lab.reports.proximity_rankers_page import LEAST_TASKS, decided, orderers_page, sentence

TASKS = tuple(f"object/task-{number}" for number in range(6))


def rows(tasks: tuple[str, ...] = TASKS) -> list[Record]:
    methods = ("esd-x", "uce", "control-original")
    return [damaged(task, method, 0.3, seed=3 * i + j) for i, task in enumerate(tasks) for j, method in enumerate(methods)]


@pytest.fixture(scope="module")
def field() -> Field:
    return field_of(rows())


def by_hand(record: Record, nearness: dict[str, float], concepts: tuple[str, ...] = CONCEPTS[:-1]) -> float:
    """ρ over the eligible concepts, all but the last."""
    assert record.probe_results is not None
    values = {one.concept: one.damage["clip"].value for one in record.probe_results.neighbours}
    return float(spearmanr([nearness[concept] for concept in concepts], [values[concept] for concept in concepts]).statistic)


def test_controls_stand_aside(field: Field) -> None:
    assert field.tasks == TASKS and field.methods == ("esd-x", "uce") and len(field.cells) == 12
    assert list(field.orderers) == ["careful", "weak", "clip-text"]


def test_a_standing_is_the_mean_over_tasks_of_means_over_methods(field: Field) -> None:
    found = standing(field, "careful", "clip")
    table = np.array([[by_hand(record, NEAR) for record in rows() if record.task == task][:2] for task in TASKS])
    by_task = table.mean(axis=1)
    half = t.ppf(0.975, 5) * by_task.std(ddof=1) / 6**0.5
    assert found.mean == pytest.approx(by_task.mean()) and found.by_task == pytest.approx(tuple(by_task))
    assert found.interval == pytest.approx((by_task.mean() - half, by_task.mean() + half))
    assert standing(field, "careful", "kid").mean is None


def test_a_duel_is_on_the_neighbours_that_both_name() -> None:
    """One orderer leaves three concepts out: the other's ρ is taken without them, too."""
    record = rows()[0]
    assert record.probe_results is not None
    fewer = {concept: MIXED[concept] for concept in CONCEPTS[3:]}
    orderers = (*record.probe_results.rankers[:1], record.probe_results.rankers[1].model_copy(update={"proximity": fewer}))
    narrowed: ProbeResults = record.probe_results.model_copy(update={"rankers": orderers})
    assert rho_of(narrowed, "careful", "clip") == pytest.approx(by_hand(record, NEAR))
    assert rho_of(narrowed, "careful", "clip", "weak") == pytest.approx(by_hand(record, NEAR, CONCEPTS[3:-1]))
    assert rho_of(narrowed, "careful", "clip", "nobody") is None
    few = orderers[1].model_copy(update={"proximity": {concept: MIXED[concept] for concept in CONCEPTS[5:]}})
    assert rho_of(narrowed.model_copy(update={"rankers": (orderers[0], few)}), "careful", "clip", "weak") is None


def test_the_careful_orderer_wins_and_random_order_is_an_opponent(field: Field) -> None:
    found = {(one.first, one.second): one for one in compare_all(field, ("clip",))}
    assert set(found) == {
        ("careful", "weak"),
        ("careful", "clip-text"),
        ("weak", "clip-text"),
        ("careful", "random order"),
        ("weak", "random order"),
        ("clip-text", "random order"),
    }
    assert decided(found["careful", "weak"]) and sentence(found["careful", "weak"]).startswith("careful orders better than weak, by ")
    chance = found["careful", "random order"].comparison
    assert chance is not None and chance.difference == pytest.approx(standing(field, "careful", "clip").mean)
    # Both order alike, so no interval can exclude 0.
    assert not decided(found["weak", "clip-text"]) and "cannot be told apart" in sentence(found["weak", "clip-text"])


def test_few_tasks_decide_nothing() -> None:
    few = field_of(rows(TASKS[: LEAST_TASKS - 1]))
    assert not decided(compare(few, "careful", "weak", "clip"))


def test_the_page_says_all_of_it(field: Field) -> None:
    text = orderers_page("miniature, version 2, tier full", field, [])
    assert "6 tasks, 2 methods (esd-x, uce), 12 records" in text
    assert "| KID" in text and "object/task-5" in text and ".77" in text
    assert "- careful orders better than weak" in text and text.endswith("\n")
