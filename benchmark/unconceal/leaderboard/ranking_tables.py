"""The tables of LEADERBOARD.md: everybody over all tasks of a suite, and task by task in each category."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from unconceal.leaderboard import cells
from unconceal.leaderboard.numbers import NOTHING, number, with_interval
from unconceal.leaderboard.sources import Sources
from unconceal.ranking.pool import Pool, Standing
from unconceal.ranking.task_ranking import write_rank
from unconceal.results.result_tables import ResultTable

FRONT = " ◆"


@dataclass(frozen=True)
class Place:
    """Where a table stands: the suite's sources, the folder that links are relative to, and the score that ranks."""

    sources: Sources
    beside: Path
    primary: str


def overall(pool: Pool, place: Place) -> str:
    """One row a submission: verdicts counted, ranks and means over all tasks."""
    attacked = any(standing.means["robustness"] for standing in pool.standings)
    headers = ["rank", "submission", "verdicts", "mean rank ↓", "Borda ↑", f"{place.primary} ↓", "retained fall ↓"]
    headers += [*(["attacks ↓"] if attacked else []), "verified", "links"]
    return cells.table([_overall_row(standing, place, attacked) for standing in pool.standings], headers)


def by_task(pool: Pool, place: Place, with_links: bool = False) -> str:
    """One row a submission, one column a task: verdict and primary score."""
    columns = [board.concept + (" (lite)" if board.tier == "lite" else "") + " ↓" for board in pool.boards]
    headers = ["rank", "submission", *columns, *(["verified", "links"] if with_links else [])]
    return cells.table([_task_row(standing, pool.boards, place, with_links) for standing in pool.standings], headers)


def _overall_row(standing: Standing, place: Place, attacked: bool) -> list[str]:
    means = [with_interval(standing.means[axis]) for axis in ("forgetting", "damage", *(["robustness"] if attacked else []))]
    ranks = [number(standing.mean_rank, 1) if standing.mean_rank else NOTHING, number(standing.borda)]
    return [*_who(standing, place), verdicts(standing), *ranks, *means, _verified(standing), _links(standing, place)]


def _task_row(standing: Standing, boards: tuple[ResultTable, ...], place: Place, with_links: bool) -> list[str]:
    outcomes = [cells.outcome(standing.cells.get(board.task), place.primary, place.sources, place.beside) for board in boards]
    more = [_verified(standing), _links(standing, place)] if with_links else []
    return [*_who(standing, place), *outcomes, *more]


def _who(standing: Standing, place: Place) -> list[str]:
    return [write_rank(standing.rank), cells.name(standing.row, place.sources) + (FRONT if standing.efficient else "")]


def verdicts(standing: Standing) -> str:
    """`conceals 7, damaged 2`, the most frequent first; an unranked submission's reason."""
    counted = Counter(row.stored.record.verdict.label for row in standing.cells.values())
    said = ", ".join(f"{label} {count}" for label, count in sorted(counted.items(), key=lambda item: (-item[1], item[0])))
    reasons = standing.why.split("; ") if standing.why and not standing.is_control else []
    more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return said + (f" (unranked: {reasons[0]}{more})" if reasons else "")


def _links(standing: Standing, place: Place) -> str:
    return "" if standing.is_control else cells.links(standing.row, place.sources)


def _verified(standing: Standing) -> str:
    """The weakest standing of its rows, all alike or counted."""
    counted = Counter(cells.VERIFIED[row.stored.record.verification.status] for row in standing.cells.values())
    said = [f"{words} {count}" if len(counted) > 1 else words for words, count in sorted(counted.items()) if words]
    return ", ".join(said) or "self-reported"
