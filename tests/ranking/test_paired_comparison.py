from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leaderboard.records import record, stored
from results.measured import GOLDS, world
from unconceal.metrics.statistics import mean_interval
from unconceal.ranking.paired_comparison import compared, paired_less, per_prompt
from unconceal.ranking.ranking_rules import Rules
from unconceal.results.result_tables import ResultTable, all_boards

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("prompts", [2, 12, 36])
def test_it_is_the_t_interval_of_every_pair(prompts: int) -> None:
    """Against the statistics room, pair by pair."""
    table = RNG.normal(0, 0.3, (7, prompts)) + np.linspace(0, 0.4, 7)[:, None]
    found = paired_less(table)
    for i in range(7):
        for j in range(7):
            assert found[i, j] == (mean_interval(table[j] - table[i]).low > 0), (i, j)


def test_from_forty_prompts_on_it_is_near_the_bootstrap() -> None:
    """Lower ends of the two differ by little of an interval's width."""
    for _ in range(20):
        difference = RNG.normal(0.1, 0.4, 60)
        low, high = mean_interval(difference)
        half = 2.0010 * difference.std(ddof=1) / np.sqrt(60)
        assert abs(low - (difference.mean() - half)) < 0.1 * (high - low)


def test_pairing_tells_apart_what_single_intervals_cannot() -> None:
    """Prompts differ much, rows little but consistently."""
    hard = RNG.normal(0.5, 0.3, 24)
    table = np.stack([hard, hard + 0.1 + RNG.normal(0, 0.02, 24)])
    assert paired_less(table)[0, 1]
    assert mean_interval(table[0]).high > mean_interval(table[1]).low


def test_blocks_give_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    table = RNG.normal(0, 0.3, (20, 12))
    whole = paired_less(table)
    monkeypatch.setattr("unconceal.ranking.paired_comparison.BLOCK", 3)
    assert (paired_less(table) == whole).all()


def test_few_pictures_that_agree_are_no_certainty() -> None:
    table = np.stack([np.zeros(12), np.full(12, 0.1)])
    assert paired_less(table)[0, 1] and not paired_less(table, floor=0.15)[0, 1]
    assert not paired_less(table[:, :1]).any(), "one prompt tells nothing"


def test_how_often_equal_rows_are_told_apart() -> None:
    """Of pairs that differ by chance alone about 5 % are called different, 2.5 % in each direction."""
    told = [paired_less(RNG.normal(0, 1, (2, 24))) for _ in range(2000)]
    assert 0.035 < float(np.mean([one.any() for one in told])) < 0.065


def test_the_mean_over_prompts_is_the_records_score(tmp_path: Path) -> None:
    """The per-prompt values are those behind the primary score, from the record's curves and its golds'."""
    made = world(tmp_path)
    (board,) = all_boards([made.root.results])
    rules = Rules.of(made.suite, "full")
    for row in board.rows:
        values = per_prompt(row, board, rules)
        assert values is not None and len(values) == 12
        assert values.mean() == pytest.approx(row.record.scores["excess"].value)


def test_without_curves_or_golds_rows_are_compared_by_their_intervals() -> None:
    rows = [stored(record("a", 0.1)), stored(record("b", 0.5))]
    found = compared(rows, ResultTable("miniature", 1, "object/star", "standard", "full", tuple(rows)), Rules())
    assert found.table is None and found.surely_less().tolist() == [[False, True], [False, False]]


def test_golds_are_left_out_of_their_own_yardstick(tmp_path: Path) -> None:
    made = world(tmp_path, shares=dict.fromkeys(GOLDS[:1], 0.0))
    (board,) = all_boards([made.root.results])
    assert per_prompt(board.rows[0], board, Rules()) is None
