"""A submission's result page as one self-contained file: CSS and images are part of it, and it has no script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from unconceal.leaderboard.sources import Sources
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.site.image_blocks import InlineImages
from unconceal.site.rendering import render
from unconceal.site.result_page import RankedSuite, submission_page

Selection = Sequence[tuple[ResultTable, ResultRow]]


def write_reports(selection: Selection, sources: Sources, out: Path) -> Iterator[Path]:
    """Writes one page per submission with all its selected tasks; yields the pages' paths."""
    groups: dict[tuple[str, str, str], list[ResultTable]] = {}
    for table, row in selection:
        groups.setdefault((table.suite_id, table.protocol, row.record.submission), []).append(table)
    for (_, _, name), tables in groups.items():
        yield write_report(tables, name, sources, out)


def write_report(tables: Sequence[ResultTable], name: str, sources: Sources, out: Path) -> Path:
    """Writes the page of one submission.

    Args:
        tables: the tasks that are shown, of one suite version and protocol; they hold the submission's rows and the controls.
        name: the submission.
        sources: suites, tasks and submissions.
        out: the folder for pages.
    """
    path = report_path(tables, name, out)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report_page(tables, name, sources), encoding="utf-8")
    return path


def report_path(tables: Sequence[ResultTable], name: str, out: Path) -> Path:
    """``<out>/<suite>/<task>/<name>.<protocol>-<tier>.html`` for one task, ``<out>/<suite>/<name>.<protocol>.html`` for several."""
    first = tables[0]
    if len(tables) == 1:
        return out / first.suite_id / first.task / f"{name}.{first.protocol}-{first.tier}.html"
    return out / first.suite_id / f"{name}.{first.protocol}.html"


def report_page(tables: Sequence[ResultTable], name: str, sources: Sources) -> str:
    """The page's HTML; see :func:`write_report`."""
    suite = RankedSuite.from_tables(tables, sources)
    values = submission_page(suite, name, tables, InlineImages())
    return render("submission.html.j2", **values, root="", standalone=True)
