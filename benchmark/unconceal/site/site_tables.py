"""The rows of the site's tables: what is shown, and what is sorted and filtered by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unconceal.leaderboard.cells import VERIFIED
from unconceal.leaderboard.numbers import NOTHING, number, with_interval
from unconceal.leaderboard.ranking_tables import verdicts
from unconceal.ranking.pool import Pool, Standing
from unconceal.ranking.task_ranking import RankedRow, write_rank
from unconceal.results.result_tables import ResultRow
from unconceal.specs.record import Score


@dataclass(frozen=True)
class Cell:
    """``text`` with its ``label`` (a verdict) before it; ``key``: what it sorts by, None last; ``best``: the best or tied with it."""

    text: str
    key: float | None = None
    label: str = ""
    best: bool = False


@dataclass(frozen=True)
class TableRow:
    """One submission. ``labels``: every verdict it has, for the filter; ``kind``: method or control."""

    submission: str
    rank: Cell
    cells: tuple[Cell, ...]
    labels: str
    kind: str
    efficient: bool = False
    status: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its columns' heads; each sorts."""

    title: str
    identity: str
    heads: tuple[str, ...]
    rows: tuple[TableRow, ...]


def overall_table(pool: Pool) -> Table:
    """Everybody over all tasks."""
    attacked = any(one.means["robustness"] for one in pool.standings)
    heads = ("verdicts", "mean rank ↓", "Borda ↑", "excess ↓", "retained fall ↓", *(["attacks ↓"] if attacked else []))
    return Table("All tasks", "all", heads, tuple(_overall(one, attacked) for one in pool.standings))


def category_table(category: str, pool: Pool, primary: str) -> Table:
    """One column a task."""
    heads = tuple(board.concept + (" (lite)" if board.tier == "lite" else "") + " ↓" for board in pool.boards)
    rows = tuple(_row(one, tuple(outcome(one.cells.get(task), primary) for task in pool.tasks)) for one in pool.standings)
    return Table(category, category, heads, rows)


def _overall(one: Standing, attacked: bool) -> TableRow:
    means = [score_cell(one.means[axis]) for axis in ("forgetting", "damage", *(["robustness"] if attacked else []))]
    ranks = [Cell(number(one.mean_rank, 1), one.mean_rank), Cell(number(one.borda), one.borda)]
    return _row(one, (Cell(verdicts(one)), *ranks, *means))


def _row(one: Standing, cells: tuple[Cell, ...]) -> TableRow:
    rows = [row.stored for row in one.cells.values()]
    labels = " ".join(sorted({row.record.verdict.label for row in rows}))
    rank = Cell(write_rank(one.rank), sum(one.rank) / 2 if one.rank else None)
    return TableRow(one.submission, rank, cells, labels, "control" if one.is_control else "method", one.efficient, status(rows))


def outcome(row: RankedRow | None, primary: str) -> Cell:
    """Verdict and primary score."""
    if row is None:
        return Cell(NOTHING)
    record = row.stored.record
    if record.verification.status == "withdrawn":
        return Cell("withdrawn", label=record.verdict.label)
    found = score_cell(record.scores.get(primary))
    mark = " (disputed)" if record.verification.status == "disputed" else ""
    return Cell(found.text + mark, found.key, record.verdict.label, row.is_best)


def score_cell(score: Score | None, digits: int = 2) -> Cell:
    """A score with its interval."""
    return Cell(with_interval(score, digits), score.value if score else None)


def status(rows: Sequence[ResultRow]) -> str:
    """What is said of a submission's verification where it is not merely self-reported."""
    said = {VERIFIED[row.record.verification.status].strip("*") for row in rows} - {""}
    return ", ".join(sorted(said))
