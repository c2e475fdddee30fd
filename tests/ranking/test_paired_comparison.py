from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from leaderboard.records import record, score, stored
from results.measured import GOLDS, world
from unconceal.metrics.statistics import mean_interval, resolution
from unconceal.ranking.paired_comparison import (
    compare_rows,
    disjoint_intervals,
    paired_significantly_less,
    primary_per_prompt,
)
from unconceal.ranking.ranking_rules import RankingRules
from unconceal.results.result_tables import ResultRow, ResultTable, load_all_tables
from unconceal.specs.record import Record, Score

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("n_prompts", [2, 12, 36])
def test_paired_comparisons_equal_t_intervals(n_prompts: int) -> None:
    """Against metrics/statistics, pair by pair."""
    values = RNG.normal(0, 0.3, (7, n_prompts)) + np.linspace(0, 0.4, 7)[:, None]
    less = paired_significantly_less(values)
    for i in range(7):
        for j in range(7):
            assert less[i, j] == (mean_interval(values[j] - values[i]).low > 0), (i, j)


def test_t_intervals_are_near_the_bootstrap_from_forty_prompts_on() -> None:
    """Lower ends of the two differ by little of an interval's width."""
    for _ in range(20):
        difference = RNG.normal(0.1, 0.4, 60)
        low, high = mean_interval(difference)
        half = 2.0010 * difference.std(ddof=1) / np.sqrt(60)
        assert abs(low - (difference.mean() - half)) < 0.1 * (high - low)


def test_pairing_separates_what_single_intervals_cannot() -> None:
    """Prompts differ much, rows little but consistently."""
    hard = RNG.normal(0.5, 0.3, 24)
    values = np.stack([hard, hard + 0.1 + RNG.normal(0, 0.02, 24)])
    assert paired_significantly_less(values)[0, 1]
    assert mean_interval(values[0]).high > mean_interval(values[1]).low


def test_several_blocks_equal_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    values = RNG.normal(0, 0.3, (20, 12))
    one_block = paired_significantly_less(values)
    monkeypatch.setattr("unconceal.ranking.paired_comparison.BLOCK_ROWS", 3)
    assert (paired_significantly_less(values) == one_block).all()


def test_few_agreeing_images_have_a_minimum_half_width() -> None:
    values = np.stack([np.zeros(12), np.full(12, 0.1)])
    assert paired_significantly_less(values)[0, 1] and not paired_significantly_less(values, min_half_width=0.15)[0, 1]
    assert not paired_significantly_less(values[:, :1]).any(), "one prompt has no variance"


def test_how_often_equal_rows_differ_significantly() -> None:
    """Of pairs that differ by chance alone about 5 % differ significantly, 2.5 % in each direction."""
    comparisons = [paired_significantly_less(RNG.normal(0, 1, (2, 24))) for _ in range(2000)]
    assert 0.035 < float(np.mean([less.any() for less in comparisons])) < 0.065


def test_the_mean_over_prompts_is_the_records_score(tmp_path: Path) -> None:
    """The per-prompt values are those behind the primary score, from the record's curves and its golds'."""
    measured = world(tmp_path)
    (table,) = load_all_tables([measured.root.results])
    rules = RankingRules.from_suite(measured.suite, "full")
    for row in table.rows:
        values = primary_per_prompt(row, table, rules)
        by_probe = {name: score.value for name, score in row.record.scores.items() if name.startswith("excess.")}
        largest = max(by_probe, key=lambda name: by_probe[name] or 0.0)
        assert values is not None and len(values) == (8 if largest == "excess.relearning" else 12)
        assert values.mean() == pytest.approx(row.record.scores["excess"].value)


def test_without_curves_or_golds_rows_are_compared_by_their_intervals() -> None:
    rows = [stored(record("a", 0.1)), stored(record("b", 0.5))]
    comparison = compare_rows(rows, ResultTable("miniature", 1, "object/star", "standard", "full", tuple(rows)), RankingRules())
    assert comparison.per_prompt is None and comparison.significantly_less().tolist() == [[False, True], [False, False]]


def test_a_gold_is_not_compared_with_itself(tmp_path: Path) -> None:
    measured = world(tmp_path, shares=dict.fromkeys(GOLDS[:1], 0.0))
    (table,) = load_all_tables([measured.root.results])
    assert primary_per_prompt(table.rows[0], table, RankingRules()) is None


def paired_rows(*values: list[float], rate: float | None = 0.5) -> list[ResultRow]:
    scores = {"excess": score(0.1)} | ({"presence.original": score(rate)} if rate is not None else {})
    return [ResultRow(record(name, scores=scores), Path(name), tuple(item)) for name, item in zip("abc", values, strict=False)]


def as_table(rows: list[ResultRow]) -> ResultTable:
    return ResultTable("miniature", 1, "object/star", "standard", "full", tuple(rows))


def test_the_least_half_width_is_the_resolution_of_all_images_relative_to_the_originals_rate() -> None:
    rows = paired_rows([0.1] * 12, [0.2] * 12)
    rules = RankingRules(images_per_prompt=3)
    comparison = compare_rows(rows, as_table(rows), rules)
    assert comparison.min_half_width == pytest.approx(resolution(36, 0.95) / 0.5)
    lower = [rows[0], ResultRow(record("b", scores={"excess": score(0.1), "presence.original": score(0.25)}), Path("b"), (0.2,) * 12)]
    assert compare_rows(lower, as_table(lower), rules).min_half_width == pytest.approx(resolution(36, 0.95) / 0.25)
    rateless = paired_rows([0.1] * 12, [0.2] * 12, rate=None)
    assert compare_rows(rateless, as_table(rateless), rules).min_half_width == 0
    assert compare_rows(rows, as_table(rows), RankingRules()).per_prompt is not None


def test_rows_of_different_prompts_are_compared_by_their_intervals() -> None:
    rows = paired_rows([0.1] * 12, [0.2] * 11)
    assert compare_rows(rows, as_table(rows), RankingRules()).per_prompt is None


def test_a_difference_must_exceed_its_half_width() -> None:
    """Differences without variance: only the least half-width counts, and reaching it is not enough."""
    values = np.stack([np.zeros(4), np.full(4, 0.5)])
    assert not paired_significantly_less(values, 0.5)[0, 1] and paired_significantly_less(values, 0.499)[0, 1]
    assert not paired_significantly_less(np.zeros((2, 4))).any()


def test_a_score_without_limits_is_not_less_than_any() -> None:
    bare, low = Score(value=0.0, n=5), Score(value=9.0, low=8.0, high=10.0, n=5)
    assert not disjoint_intervals([bare, low, bare]).any()


@pytest.fixture(scope="module")
def measured_table(tmp_path_factory: pytest.TempPathFactory) -> ResultTable:
    (table,) = load_all_tables([world(tmp_path_factory.mktemp("world")).root.results])
    return table


def with_largest(row: ResultRow, probe: str) -> ResultRow:
    """The row, if its excess were the largest under that probe."""
    scores = row.record.scores | {f"excess.{probe}": Score(value=5.0, n=12)}
    return ResultRow(row.record.model_copy(update={"scores": scores}), row.path)


@pytest.mark.parametrize("arm", ["prompt", "empty"])
def test_values_per_prompt_come_from_the_arm_with_the_largest_excess(measured_table: ResultTable, arm: str) -> None:
    """(P − mean of the golds' P) / θ's rate, trapezoid over the window, prompt by prompt."""
    rules = RankingRules(primary="excess", window=(0.1, 0.6))
    row = next(row for row in measured_table.rows if not row.is_control)

    def rates(record: Record) -> NDArray[np.float64]:
        curves = record.curves
        curve = next(curve for curve in curves if (curve.name, curve.split, curve.arm) == ("presence", "forget", arm))
        return np.asarray(curve.per_prompt)

    values = primary_per_prompt(with_largest(row, arm), measured_table, rules)
    golds = np.mean([rates(gold.record) for gold in measured_table.golds], axis=0)
    original = row.record.scores["presence.original"].value
    # ψ = .1, .2, .3, .4, .55, .6 are points of the grid.
    expected = np.trapezoid((rates(row.record) - golds)[:, 1:7], [0.1, 0.2, 0.3, 0.4, 0.55, 0.6], axis=1) / 0.5 / original
    assert values is not None
    np.testing.assert_allclose(values, expected)
    assert primary_per_prompt(row, measured_table, RankingRules(primary="presence")) is None


def test_values_per_prompt_come_from_a_probe_of_the_battery(measured_table: ResultTable) -> None:
    """Eight held-out prompts of twelve; the last level, 40 steps, is scored."""
    row = with_largest(next(row for row in measured_table.rows if not row.is_control), "relearning")
    last = {each.record.submission: np.asarray(each.record.battery["relearning"].per_prompt)[:, -1] for each in measured_table.rows}
    golds = np.mean([last[gold.record.submission] for gold in measured_table.golds], axis=0)
    values = primary_per_prompt(row, measured_table, RankingRules())
    assert values is not None and values.shape == (8,)
    np.testing.assert_allclose(values, (last[row.record.submission] - golds) / row.record.scores["presence.original"].value)
    bare = ResultRow(row.record.model_copy(update={"battery": {}}), row.path)
    assert primary_per_prompt(bare, measured_table, RankingRules()) is None


def test_values_per_prompt_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = paired_rows([0.1] * 12, [0.2] * 12)
    table = as_table(rows)
    first = compare_rows(rows, table, RankingRules()).per_prompt
    monkeypatch.setattr("unconceal.ranking.paired_comparison.primary_per_prompt", lambda *_: pytest.fail("computed again"))
    again = compare_rows(rows, table, RankingRules()).per_prompt
    assert first is not None and again is not None and (first == again).all()


def test_records_without_the_originals_rate_have_no_values_per_prompt(tmp_path: Path) -> None:
    measured = world(tmp_path)
    (table,) = load_all_tables([measured.root.results])
    row = next(row for row in table.rows if not row.is_control)
    for rate in ({}, {"presence.original": Score(value=0.0, low=0, high=0.1, n=12)}):
        scores = {name: value for name, value in row.record.scores.items() if name != "presence.original"} | rate
        changed = ResultRow(row.record.model_copy(update={"scores": scores}), row.path)
        assert primary_per_prompt(changed, table, RankingRules()) is None
    shorter = tuple(curve.model_copy(update={"per_prompt": curve.per_prompt[1:]}) for curve in row.record.curves)
    assert primary_per_prompt(ResultRow(row.record.model_copy(update={"curves": shorter}), row.path), table, RankingRules()) is None
    empty = tuple(curve.model_copy(update={"per_prompt": ()}) for curve in row.record.curves)
    assert primary_per_prompt(ResultRow(row.record.model_copy(update={"curves": empty}), row.path), table, RankingRules()) is None


def test_the_excess_of_an_arm_comes_from_its_own_presence_curve() -> None:
    for arm in ("prompt", "empty"):
        curve = record().find_curve("presence", arm)
        assert curve is not None and (curve.name, curve.arm, curve.split) == ("presence", arm, "forget")
