"""A submission's result page as one self-contained file: CSS and images are part of it, and it has no script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from unconceal.files import write_below
from unconceal.leaderboard.sources import Sources
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.site.image_blocks import InlineImages
from unconceal.site.rendering import render
from unconceal.site.result_page import RankedSuite, submission_page

Selection = Sequence[tuple[ResultTable, ResultRow]]


def write_reports(selection: Selection, sources: Sources, out: Path) -> Iterator[Path]:
    """Writes one page per submission with all its selected tasks; yields the pages' paths.

    Args:
        selection: the rows to show, each with its table, which also holds the controls; one tier per task.
        sources: suites, tasks and submissions.
        out: the folder for pages.
    """
    suites: dict[tuple[str, str], dict[str, list[ResultTable]]] = {}
    for table, row in selection:
        suites.setdefault((table.suite_id, table.protocol), {}).setdefault(row.record.submission, []).append(table)
    for by_submission in suites.values():
        # Ranks and the controls' curves are computed once for all submissions.
        suite = RankedSuite.from_tables({table.task: table for tables in by_submission.values() for table in tables}.values(), sources)
        for name, tables in by_submission.items():
            yield write_below(out, report_path(tables, name), report_page(suite, tables, name))


def report_path(tables: Sequence[ResultTable], name: str) -> str:
    """``<suite>/<task>/<name>.<protocol>-<tier>.html`` for one task, ``<suite>/<name>.<protocol>.html`` for several."""
    first = tables[0]
    if len(tables) == 1:
        return f"{first.suite_id}/{first.task}/{name}.{first.protocol}-{first.tier}.html"
    return f"{first.suite_id}/{name}.{first.protocol}.html"


def report_page(suite: RankedSuite, tables: Sequence[ResultTable], name: str) -> str:
    """The HTML of one submission's page on some of a suite's tasks."""
    values = submission_page(suite, name, tables, InlineImages())
    return render("submission.html.j2", **values, root="", standalone=True)
