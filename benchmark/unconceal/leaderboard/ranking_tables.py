"""The tables of LEADERBOARD.md: all tasks of a suite, and task by task in each category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unconceal.escape import escape_markdown
from unconceal.leaderboard.labels import INFERENCE_TIME, VERIFICATION_MARKS
from unconceal.leaderboard.markdown_cells import links_cell, markdown_table, name_cell, outcome_cell
from unconceal.leaderboard.numbers import NO_VALUE, number, with_interval
from unconceal.leaderboard.sources import Sources
from unconceal.ranking.pool import Pool, PoolEntry
from unconceal.ranking.task_ranking import format_rank
from unconceal.results.marks import is_marked
from unconceal.results.result_tables import ResultTable

EFFICIENT_MARK = " ◆"


@dataclass(frozen=True)
class TableContext:
    """What the tables of a suite share.

    Attributes:
        sources: its specs.
        folder: that links are relative to.
        primary: the score that ranks.
        max_rows: longer tables are cut off; None: never.
        controls: whether controls are listed.
    """

    sources: Sources
    folder: Path
    primary: str
    max_rows: int | None = None
    controls: bool = True

    def shown(self, pool: Pool) -> tuple[PoolEntry, ...]:
        """The entries that are listed."""
        return tuple(entry for entry in pool.entries if self.controls or not entry.is_control)[: self.max_rows]

    def rest(self, pool: Pool) -> str:
        """How many submissions are not listed; empty if all are."""
        listed = {entry.submission for entry in self.shown(pool)}
        missing = sum(not entry.is_control and entry.submission not in listed for entry in pool.entries)
        return f"\n\n… and {missing} more." if missing else ""


def overall_markdown(pool: Pool, context: TableContext) -> str:
    """One row per submission: verdict counts, ranks, and means over all tasks."""
    with_attacks = any(entry.means["robustness"] for entry in pool.entries)
    headers = ["rank", "submission", "verdicts", "mean rank ↓", "Borda ↑", f"{context.primary} ↓", "retained drop ↓"]
    headers += [*(["attacks ↓"] if with_attacks else []), "verified", "links"]
    rows = [_overall_row(entry, context, with_attacks) for entry in context.shown(pool)]
    return markdown_table(rows, headers) + context.rest(pool)


def category_markdown(pool: Pool, context: TableContext, with_links: bool = False) -> str:
    """One row per submission, one column per task: verdict and primary score."""
    headers = ["rank", "submission", *task_headers(pool.tables), *(["verified", "links"] if with_links else [])]
    rows = [_task_row(entry, pool.tables, context, with_links) for entry in context.shown(pool)]
    return markdown_table(rows, headers) + context.rest(pool)


def marked_rows(tables: Sequence[ResultTable]) -> str:
    """Disputed and withdrawn rows with who marked them, when and why; empty without any."""
    rows = [row.record for table in tables for row in table.rows if is_marked(row.record)]
    cells = [
        [
            record.submission,
            record.task,
            record.verification.status,
            record.verification.by,
            record.verification.date,
            record.verification.reason,
        ]
        for record in rows
    ]
    headers = ("submission", "task", "status", "by", "date", "reason")
    return markdown_table([list(map(escape_markdown, line)) for line in cells], headers) if cells else ""


def task_headers(tables: Sequence[ResultTable]) -> list[str]:
    """One header per task; tasks of the quick tier are marked."""
    return [table.concept + (" (quick)" if table.tier == "quick" else "") + " ↓" for table in tables]


def verdict_counts(entry: PoolEntry) -> str:
    """`conceals 7, damaged 2`, the most frequent first; with the reason if the submission is unranked.

    Of a marked row only the mark is counted: `conceals 6, withdrawn 1`.
    """
    records = [row.result.record for row in entry.rows.values()]
    counts = Counter(record.verification.status if is_marked(record) else record.verdict.label for record in records)
    text = ", ".join(f"{label} {count}" for label, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    reasons = entry.reason.split("; ") if entry.reason and not entry.is_control else []
    more = f" and {len(reasons) - 1} more" if len(reasons) > 1 else ""
    return text + (f" (unranked: {reasons[0]}{more})" if reasons else "")


def _overall_row(entry: PoolEntry, context: TableContext, with_attacks: bool) -> list[str]:
    means = [with_interval(entry.means[axis]) for axis in ("forgetting", "damage", *(["robustness"] if with_attacks else []))]
    ranks = [number(entry.mean_rank, 1) if entry.mean_rank else NO_VALUE, number(entry.borda)]
    return [*_first_cells(entry, context), verdict_counts(entry), *ranks, *means, _verification(entry), _links(entry, context)]


def _task_row(entry: PoolEntry, tables: Sequence[ResultTable], context: TableContext, with_links: bool) -> list[str]:
    outcomes = [outcome_cell(entry.rows.get(table.task), context.primary, context.sources, context.folder) for table in tables]
    last_cells = [_verification(entry), _links(entry, context)] if with_links else []
    return [*_first_cells(entry, context), *outcomes, *last_cells]


def _first_cells(entry: PoolEntry, context: TableContext) -> list[str]:
    marks = (f" ({INFERENCE_TIME})" if entry.is_inference_time else "") + (EFFICIENT_MARK if entry.efficient else "")
    return [format_rank(entry.rank), name_cell(entry.row, context.sources) + marks]


def _links(entry: PoolEntry, context: TableContext) -> str:
    return "" if entry.is_control else links_cell(entry.row, context.sources, context.folder)


def _verification(entry: PoolEntry) -> str:
    """The verification statuses of its rows, counted if they differ."""
    counts = Counter(VERIFICATION_MARKS[row.result.record.verification.status] for row in entry.rows.values())
    texts = [f"{mark} {count}" if len(counts) > 1 else mark for mark, count in sorted(counts.items()) if mark]
    return ", ".join(texts) or "self-reported"
