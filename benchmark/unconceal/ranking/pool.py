"""Who stands before whom over several tasks: mean rank and Borda count in one declared pool.

The pool is a suite's tasks (all, or a category's) on which anything counts, and the submissions that have a row on every one of them. Ranks
are taken anew within the pool, so that who else took part elsewhere moves nothing; who is incomplete is listed unranked, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from unconceal.ranking.paired_comparison import apart, compared, paired_less
from unconceal.ranking.pareto import efficient
from unconceal.ranking.ranking_rules import Rules
from unconceal.ranking.submission_summary import AXES, UNLEARNED_NOTHING, mean_of
from unconceal.ranking.task_ranking import UNRANKED_LABELS, RankedRow, control_place, is_ranked, rank, rank_intervals, value
from unconceal.ranking.validate_rows import density
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Score

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Standing:
    """One submission in a pool.

    Attributes:
        cells: its row on each task where it has one.
        rank: (1 + how many are surely better, n − how many are surely worse) over all prompts of all tasks; None: not ranked, for ``why``.
        mean_rank: of its values, 1 the best; damaged rows share the last places of a task.
        borda: share of comparisons (others x tasks) that it surely wins, ties counting half; 0 to 1, higher is better.
        means: mean over the tasks of each axis of :data:`unconceal.ranking.submission_summary.AXES`, None where not measured everywhere.
        efficient: nobody in the pool surely beats it on one axis without losing on another.
    """

    submission: str
    cells: Mapping[str, RankedRow]
    means: Mapping[str, Score | None]
    rank: tuple[int, int] | None = None
    mean_rank: float | None = None
    borda: float | None = None
    efficient: bool = False
    why: str = ""

    @property
    def row(self) -> ResultRow:
        """Any of its rows, for what is the same on every task."""
        return next(iter(self.cells.values())).stored

    @property
    def is_control(self) -> bool:
        return self.submission.startswith("control-")


@dataclass(frozen=True)
class Pool:
    """The tasks and everybody on them: the ranked, then the unranked, then controls.

    ``counted``: the boards that are ranked over: those on which some submission counts, or all if none does. Before a task's golds are
    measured nobody has an excess there. ``density``: share of their cells filled by submissions.
    """

    boards: tuple[ResultTable, ...]
    counted: tuple[ResultTable, ...]
    standings: tuple[Standing, ...]
    density: float

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(board.task for board in self.boards)

    @property
    def ranked(self) -> tuple[Standing, ...]:
        return tuple(standing for standing in self.standings if standing.rank)


def pool(boards: Sequence[ResultTable], rules: Mapping[str, Rules], rows: Mapping[str, Sequence[RankedRow]] | None = None) -> Pool:
    """The standings over some boards of one suite version. ``rules`` and ``rows``, ranked on their own board, by task.

    Raises:
        CheckFailed: a board cannot be ranked.
    """
    rows = rows or {board.task: rank(board, rules[board.task]) for board in boards}
    cells: dict[str, dict[str, RankedRow]] = {}
    for board in boards:
        for row in rows[board.task]:
            cells.setdefault(row.stored.record.submission, {})[board.task] = row
    counted = [board for board in boards if any(_counts(row, board, rules) for row in rows[board.task])] or boards
    everybody = [_standing(name, found, counted, rules) for name, found in cells.items()]
    ranked = _ranked([standing for standing in everybody if not standing.why and not standing.is_control], counted, rules)
    others = sorted((standing for standing in everybody if standing.why and not standing.is_control), key=lambda one: one.submission)
    controls = sorted((standing for standing in everybody if standing.is_control), key=lambda one: control_place(one.row))
    names = [name for name in cells if not name.startswith("control-")]
    submitted = [cells[name][board.task].stored for name in names for board in counted if board.task in cells[name]]
    filled = density(submitted, len(counted), len(ranked) + len(others))
    return Pool(tuple(boards), tuple(counted), (*ranked, *others, *controls), filled)


def _counts(row: RankedRow, board: ResultTable, rules: Mapping[str, Rules]) -> bool:
    return not row.stored.is_control and not _absence(row, board, rules[board.task].primary)


def _standing(name: str, cells: Mapping[str, RankedRow], boards: Sequence[ResultTable], rules: Mapping[str, Rules]) -> Standing:
    """Not ranked yet; with the reason, if it never will be."""
    reasons = [reason for board in boards if (reason := _absence(cells.get(board.task), board, rules[board.task].primary))]
    records = [cells[board.task].stored.record for board in boards if board.task in cells]
    full = len(records) == len(boards)
    means = {axis: mean_of([of(one, rules[one.task].primary) for one in records]) if full else None for axis, of in AXES.items()}
    return Standing(name, cells, means, why="; ".join(reasons))


def _absence(row: RankedRow | None, board: ResultTable, primary: str) -> str:
    """Why a row doesn't count on a task; empty if it does."""
    if row is None:
        return f"no record of {board.concept}"
    record = row.stored.record
    if record.verification.status in ("disputed", "withdrawn"):
        return f"{record.verification.status} on {board.concept}"
    if record.verdict.label in UNRANKED_LABELS or is_ranked(row.stored, primary):
        return ""
    return f"no {primary} on {board.concept}"


def _ranked(standings: Sequence[Standing], boards: Sequence[ResultTable], rules: Mapping[str, Rules]) -> list[Standing]:
    """The complete ones with rank, mean rank, Borda count and Pareto flag, the best first."""
    if not standings:
        return []
    fields = [_field([one.cells[board.task].stored for one in standings], board, rules[board.task]) for board in boards]
    won = np.sum([field.won for field in fields], axis=0) / (len(boards) * max(len(standings) - 1, 1))
    places = np.mean([field.places for field in fields], axis=0)
    less = _over_tasks(standings, fields)
    front = efficient([[one.means[axis] for one in standings] for axis in AXES], less)
    found = [
        replace(one, rank=rank, mean_rank=float(place), borda=float(share) if len(standings) > 1 else None, efficient=flag)
        for one, rank, place, share, flag in zip(standings, rank_intervals(less), places, won, front, strict=True)
    ]
    return sorted(found, key=_place)


def _place(one: Standing) -> tuple[float, float, str]:
    """By rank, within ties by the mean score."""
    mean = one.means["forgetting"]
    return float(sum(one.rank or ())), mean.value or 0.0 if mean else 0.0, one.submission


@dataclass(frozen=True)
class Field:
    """One task: comparisons won by each row (n,), places of their values (n,), and values per prompt (n, p) or None."""

    won: Values
    places: Values
    table: Values | None
    floor: float


def _field(rows: Sequence[ResultRow], board: ResultTable, rules: Rules) -> Field:
    """What is damaged is surely worse than what is not, and counts as if nothing had been unlearned."""
    damaged = np.array([row.record.verdict.label in UNRANKED_LABELS for row in rows])
    less, sound = ~damaged[:, None] & damaged[None, :], np.flatnonzero(~damaged)
    found = compared([row for row, bad in zip(rows, damaged, strict=True) if not bad], board, rules) if len(sound) else None
    if found:
        less[np.ix_(sound, sound)] = found.surely_less()
    tied = ~less & ~less.T & ~np.eye(len(rows), dtype=bool)
    values = np.array([np.inf if bad else value(row, rules.primary) for row, bad in zip(rows, damaged, strict=True)])
    table = None
    if found and found.table is not None:
        table = np.full((len(rows), found.table.shape[1]), UNLEARNED_NOTHING)
        table[sound] = found.table
    return Field(less.sum(axis=1) + 0.5 * tied.sum(axis=1), stats.rankdata(values), table, found.floor if found else 0.0)


def _over_tasks(standings: Sequence[Standing], fields: Sequence[Field]) -> NDArray[np.bool_]:
    """(n, n): i is surely better than j over all prompts of all tasks, paired; by the means' intervals where that can't be said."""
    tables = [field.table for field in fields if field.table is not None]
    if len(tables) < len(fields):
        return apart([one.means["forgetting"] or Score(value=None, n=0) for one in standings])
    prompts = np.array([table.shape[1] for table in tables])
    # Pictures of all tasks together: half-widths shrink with their root, as those of one task would with more prompts.
    floor = float(np.average([field.floor for field in fields], weights=prompts)) / len(fields) ** 0.5
    return paired_less(np.concatenate(tables, axis=1), floor)
