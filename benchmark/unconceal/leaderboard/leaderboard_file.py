"""LEADERBOARD.md and the pages of suite versions as files: their paths, their texts, and whether they are up to date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from unconceal.errors import CheckFailed
from unconceal.escape import escape_markdown, escape_url
from unconceal.evaluation.environment import usable_cores
from unconceal.leaderboard.markdown import HEADER, leaderboard_markdown, suite_page
from unconceal.leaderboard.markdown_cells import markdown_table
from unconceal.leaderboard.numbers import number, with_interval
from unconceal.leaderboard.sources import Sources
from unconceal.paths import DataRoot
from unconceal.results.result_tables import (
    ResultTable,
    load_newest_tables,
    load_version_tables,
    read_for_ranking,
    selected_versions,
    suite_versions,
)
from unconceal.specs.reported import Reported, ReportedRow, ReportedScore, load_reported
from unconceal.specs.score import Score

PAGE = "README.md"
REPORTED_LINK = "Values [reported by others](results/reported/README.md) are not ranked with measured ones."
REPORTED_HEADERS = ("method", "target", "split", "prompt", "CCS", "CRS as released", "KID→original", "KID→unlearned")
SCORE_HEADERS = ("model", "evaluation", "metric", "value [95 %]", "n")
REPORTED_INTRODUCTION = """\
Results published by others, not measured by this project: prompts, judges and protocol differ, see
[the paper's protocol](../../docs/concepts/paper-protocol.md). They are cited in the order of their source and are not ranked."""


def leaderboard_path(root: DataRoot) -> Path:
    """LEADERBOARD.md beside the results folder."""
    return root.results.parent / "LEADERBOARD.md"


def leaderboard_text(root: DataRoot, tables: Iterable[ResultTable] | None = None, sources: Sources | None = None) -> str:
    """The text of LEADERBOARD.md. ``tables`` with their ``sources``: instead of the records under results/."""
    if tables is None:
        tables = load_newest_tables(root.result_folders, read_for_ranking, usable_cores())
    tables = tuple(tables)
    older = [f"{suite}-{version}" for suite, version in suite_versions(root.result_folders)]
    older = [name for name in older if name not in {table.suite_id for table in tables}]
    text = leaderboard_markdown(tables, sources or Sources(root), leaderboard_path(root).parent, older)
    return text + (f"\n{REPORTED_LINK}\n" if load_reported(root.result_folders) else "")


def leaderboard_pages(root: DataRoot) -> dict[Path, str]:
    """LEADERBOARD.md, a page for every suite version and one for the values reported by others: path and text."""
    sources, versions = Sources(root), suite_versions(root.result_folders)
    tables = {pair: load_version_tables(root.result_folders, [pair], read_for_ranking, usable_cores()) for pair in versions}
    newest = [table for pair in selected_versions(versions) for table in tables[pair]]
    pages = {leaderboard_path(root): leaderboard_text(root, newest, sources)}
    for (suite, version), group in tables.items():
        if group:
            folder = root.results / f"{suite}-{version}"
            pages[folder / PAGE] = suite_page(group, sources, folder)
    if reports := load_reported(root.result_folders):
        pages[root.results / "reported" / PAGE] = reported_page(reports)
    return pages


def check_up_to_date(pages: Mapping[Path, str]) -> None:
    """Raises CheckFailed if a file differs from its text."""
    for path, text in pages.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            remedy = "run `unconceal leaderboard` and commit what it writes"
            raise CheckFailed("leaderboard.stale", str(path), "is stale: it does not match the records under results/", remedy)


def reported_page(reports: Iterable[Reported]) -> str:
    """The page of reported results as Markdown."""
    parts = [HEADER, "# Reported by others", REPORTED_INTRODUCTION]
    for report in reports:
        name = f"arXiv {report.source.arxiv}" if report.source.arxiv else "source"
        heading = f"## {escape_markdown(report.source.title)} ([{name}]({escape_url(report.source.url)}))"
        source = f"Source: {escape_markdown(report.source.location)}. {escape_markdown(report.source.note)}.".replace(" .", "")
        parts += [heading, source]
        parts += [markdown_table(map(_reported_cells, report.rows), REPORTED_HEADERS)] if report.rows else []
        parts += [markdown_table(map(_score_cells, report.scores), SCORE_HEADERS)] if report.scores else []
    return "\n\n".join(parts) + "\n"


def _reported_cells(row: ReportedRow) -> list[str]:
    scores = (row.ccs, row.crs, row.kid_original, row.kid_unlearned)
    return [*map(escape_markdown, (row.method, row.target, row.split, row.prompt)), *(number(score) for score in scores)]


def _score_cells(score: ReportedScore) -> list[str]:
    value = with_interval(Score(value=score.value, low=score.low, high=score.high, n=score.n or 0))
    direction = "↓" if score.lower_is_better else "↑"
    names = map(escape_markdown, (score.model, score.evaluation, score.metric))
    return [*names, f"{value} {direction}", "–" if score.n is None else str(score.n)]
