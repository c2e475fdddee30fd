"""The sortable tables of the site: text, sort keys and filters of every cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unconceal.leaderboard import labels
from unconceal.leaderboard.numbers import NO_VALUE, number, with_interval
from unconceal.leaderboard.ranking_tables import task_headers, verdict_counts
from unconceal.leaderboard.sources import Sources
from unconceal.ranking.pool import Pool, PoolEntry
from unconceal.ranking.submission_summary import forgetting
from unconceal.ranking.task_ranking import RankedRow, format_rank
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.site.result_page import RankedSuite
from unconceal.specs.record import Score

TASK_COLUMNS = {score.key: f"{score.label} {score.direction}".strip() for score in labels.HEADLINE if not score.key.startswith("presence.")}


@dataclass(frozen=True)
class SiteCell:
    """``text``, after its verdict ``label``; ``key``: the sort key, None sorts last; ``best``: the best row or tied with it."""

    text: str
    key: float | None = None
    label: str = ""
    best: bool = False


@dataclass(frozen=True)
class SiteRow:
    """One submission. ``labels``: its verdicts, for the filter; ``kind``: method or control; ``search``: name, title and paper."""

    submission: str
    rank: SiteCell
    cells: tuple[SiteCell, ...]
    labels: str
    kind: str
    efficient: bool = False
    status: str = ""
    search: str = ""


@dataclass(frozen=True)
class SiteTable:
    """A table; ``anchor``: its id on the page, within the suite."""

    title: str
    anchor: str
    headers: tuple[str, ...]
    rows: tuple[SiteRow, ...]


def overall_table(pool: Pool, sources: Sources) -> SiteTable:
    """All submissions over all tasks."""
    with_attacks = any(entry.means["robustness"] for entry in pool.entries)
    attacks = ["attacks ↓"] if with_attacks else []
    headers = ("verdicts", "mean rank ↓", "Borda ↑", "excess ↓", "retained drop ↓", *attacks)
    return SiteTable("All tasks", "all", headers, tuple(_overall_row(entry, with_attacks, sources) for entry in pool.entries))


def category_table(category: str, pool: Pool, primary: str, sources: Sources) -> SiteTable:
    """All submissions, one column per task."""
    rows = tuple(_row(entry, tuple(outcome_cell(entry.rows.get(task), primary) for task in pool.tasks), sources) for entry in pool.entries)
    return SiteTable(category, category, tuple(task_headers(pool.tables)), rows)


def task_table(suite: RankedSuite, table: ResultTable) -> SiteTable:
    """All submissions on one task with their headline scores."""
    primary = suite.rules[table.task].primary
    rows = []
    for ranked in suite.ranks[table.task]:
        record = ranked.result.record
        cells = (outcome_cell(ranked, primary), *(score_cell(record.scores.get(key)) for key in TASK_COLUMNS if key != primary))
        kind = "control" if ranked.result.is_control else "method"
        status, search = status_text([ranked.result]), search_text(ranked.result, suite.sources)
        rows.append(SiteRow(record.submission, _rank_cell(ranked.rank), cells, record.verdict.label, kind, False, status, search))
    headers = (f"{primary} ↓", *(label for key, label in TASK_COLUMNS.items() if key != primary))
    return SiteTable(table.concept, "rows", headers, tuple(rows))


def outcome_cell(row: RankedRow | None, primary: str) -> SiteCell:
    """Verdict and primary score. Damaged and intact rows are sorted as if nothing had been unlearned."""
    if row is None:
        return SiteCell(NO_VALUE)
    record = row.result.record
    if record.verification.status == "withdrawn":
        return SiteCell("withdrawn", label=record.verdict.label)
    cell = score_cell(record.scores.get(primary))
    counted = forgetting(record, primary)
    disputed = " (disputed)" if record.verification.status == "disputed" else ""
    return SiteCell(cell.text + disputed, counted.value if counted else None, record.verdict.label, row.is_best)


def score_cell(score: Score | None, decimals: int = 2) -> SiteCell:
    """A score with its confidence interval."""
    return SiteCell(with_interval(score, decimals), score.value if score else None)


def status_text(rows: Sequence[ResultRow]) -> str:
    """Whether it is an inference-time method, and verification statuses other than self-reported."""
    mark = [labels.INFERENCE_TIME] if any(row.record.is_inference_time for row in rows) else []
    texts = {labels.VERIFICATION_MARKS[row.record.verification.status].strip("*") for row in rows} - {""}
    return ", ".join([*mark, *sorted(texts)])


def _overall_row(entry: PoolEntry, with_attacks: bool, sources: Sources) -> SiteRow:
    means = [score_cell(entry.means[axis]) for axis in ("forgetting", "damage", *(["robustness"] if with_attacks else []))]
    ranks = [SiteCell(number(entry.mean_rank, 1), entry.mean_rank), SiteCell(number(entry.borda), entry.borda)]
    return _row(entry, (SiteCell(verdict_counts(entry)), *ranks, *means), sources)


def _row(entry: PoolEntry, cells: tuple[SiteCell, ...], sources: Sources) -> SiteRow:
    rows = [row.result for row in entry.rows.values()]
    verdicts = "|".join(sorted({row.record.verdict.label for row in rows}))
    kind = "control" if entry.is_control else "method"
    return SiteRow(
        entry.submission, _rank_cell(entry.rank), cells, verdicts, kind, entry.efficient, status_text(rows), search_text(rows[0], sources)
    )


def search_text(row: ResultRow, sources: Sources) -> str:
    """What a search finds a submission by: its name and title, its paper's title, authors and address."""
    submission = sources.submission(row)
    parts = [row.record.submission]
    if submission is not None:
        parts += [submission.title, submission.paper_title or "", *submission.authors, submission.paper or ""]
    return " ".join(filter(None, parts)).lower()


def _rank_cell(rank: tuple[int, int] | None) -> SiteCell:
    return SiteCell(format_rank(rank), sum(rank) / 2 if rank else None)
