"""Writes the site: a page for the leaderboard, one per task, one per submission, and their assets."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from unconceal.files import write_below
from unconceal.leaderboard.markdown import legend_text, pool_text, table_facts
from unconceal.leaderboard.sources import Sources
from unconceal.progress import Progress, Silent
from unconceal.ranking.pool import rank_pool
from unconceal.results.result_tables import ResultTable
from unconceal.site.image_blocks import CopiedImages
from unconceal.site.rendering import ASSETS, render, task_url
from unconceal.site.result_page import RankedSuite, submission_page
from unconceal.site.site_tables import SiteTable, category_table, overall_table, task_table
from unconceal.specs.record import Label

VERDICTS: tuple[Label, ...] = ("forgets", "not retrieved", "conceals", "intact", "damaged", "inconclusive", "undetermined")


class Page(NamedTuple):
    """A page: its path below the site's folder, its template and the template's values."""

    path: str
    template: str
    values: dict[str, Any]


def write_site(tables: Iterable[ResultTable], sources: Sources, out: Path, progress: Progress | None = None) -> Path:
    """Writes the whole site.

    Args:
        tables: tables with the curves named by :data:`unconceal.site.result_page.CURVES`; only the standard protocol is shown.
        sources: suites, tasks and submissions.
        out: the site's folder.
        progress: shows how many pages are written.

    Returns:
        The path of the first page.
    """
    out.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ASSETS, out / "assets", dirs_exist_ok=True)
    suites = [RankedSuite.from_tables(group, sources) for group in by_suite(tuple(tables))]
    n_pages = 1 + sum(len(suite.tables) + len(submission_names(suite)) for suite in suites)
    stage = (progress or Silent()).stage("writing pages", n_pages)
    for page in site_pages(suites, CopiedImages(out)):
        write_below(out, page.path, render(page.template, **page.values))
        stage.advance()
    return out / "index.html"


def by_suite(tables: tuple[ResultTable, ...]) -> Iterator[tuple[ResultTable, ...]]:
    """The tables of each suite version under the standard protocol."""
    for suite_id in dict.fromkeys(table.suite_id for table in tables):
        group = tuple(table for table in tables if table.suite_id == suite_id and table.protocol == "standard")
        if group:
            yield group


def submission_names(suite: RankedSuite) -> tuple[str, ...]:
    """Every submission of a suite, in the order of its first task's ranking."""
    return tuple(dict.fromkeys(row.result.record.submission for table in suite.tables for row in suite.ranks[table.task]))


def site_pages(suites: list[RankedSuite], images: CopiedImages) -> Iterator[Page]:
    """Every page of the site."""
    yield Page("index.html", "index.html.j2", {"suites": [suite_section(suite) for suite in suites], "verdicts": VERDICTS, "root": ""})
    for suite in suites:
        for table in suite.tables:
            values = {"table": table, "task": suite.sources.task(table.suite, table.task), "site_table": task_table(suite, table)}
            yield Page(task_url(table), "task.html.j2", values | {"verdicts": VERDICTS, "root": "../../", "suite_id": suite.suite_id})
        for name in submission_names(suite):
            tables = [table for table in suite.tables if table.find(name)]
            page = submission_page(suite, name, tables, images)
            yield Page(f"{suite.suite_id}/{name}.html", "submission.html.j2", page | {"root": "../"})


def suite_section(suite: RankedSuite) -> dict[str, Any]:
    """A suite on the first page."""
    everything, several = rank_pool(suite.tables, suite.rules, suite.ranks), len(suite.tables) > 1
    return {
        "id": suite.suite_id,
        "title": suite.sources.suite_title(suite.tables[0]) or suite.tables[0].suite,
        "facts": table_facts(suite.tables),
        "pool": pool_text(everything) if several else "",
        "legend": legend_text(suite.tables, suite.sources),
        "tables": [*([overall_table(everything)] if several else []), *category_tables(suite)],
        "tasks": [(table, task_url(table)) for table in suite.tables],
    }


def category_tables(suite: RankedSuite) -> Iterator[SiteTable]:
    """One table per category."""
    for category in dict.fromkeys(table.category for table in suite.tables):
        group = [table for table in suite.tables if table.category == category]
        yield category_table(category, rank_pool(group, suite.rules, suite.ranks), suite.rules[group[0].task].primary)
