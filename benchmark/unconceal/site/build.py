"""Writes the site: a page for the leaderboard, one per task, one per submission, and their assets."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from unconceal.exports import bibtex, csv_table
from unconceal.files import write_below
from unconceal.leaderboard.headline import headline
from unconceal.leaderboard.markdown import pool_text, table_facts
from unconceal.leaderboard.sources import Sources
from unconceal.progress import Progress, Silent
from unconceal.ranking.pool import rank_pool
from unconceal.results.marks import is_marked
from unconceal.results.result_tables import ResultTable
from unconceal.site.compare_page import comparison
from unconceal.site.first_images import first_images
from unconceal.site.image_blocks import CopiedImages, FullStrip, no_strip
from unconceal.site.neighbours_page import neighbour_sections
from unconceal.site.pareto_chart import pareto_chart, pareto_points
from unconceal.site.rendering import ASSETS, render, site_facts, task_url
from unconceal.site.result_page import RankedSuite, submission_page
from unconceal.site.site_tables import SiteTable, category_table, overall_table, task_table
from unconceal.specs.record import Label
from unconceal.specs.reported import Reported

VERDICTS: tuple[Label, ...] = ("forgets", "not retrieved", "conceals", "intact", "damaged", "inconclusive", "undetermined")


class Page(NamedTuple):
    """A page: its path below the site's folder, its template and the template's values; without a template the value ``text``."""

    path: str
    template: str
    values: dict[str, Any]

    def text(self) -> str:
        """The content of its file."""
        return render(self.template, **self.values) if self.template else str(self.values["text"])


def write_site(
    tables: Iterable[ResultTable],
    sources: Sources,
    out: Path,
    progress: Progress | None = None,
    reports: Sequence[Reported] = (),
    full_strip: FullStrip = no_strip,
) -> Path:
    """Writes the whole site.

    Args:
        tables: of any versions, with the curves named by :data:`unconceal.site.result_page.CURVES`. The newest version of a suite is on the
            first page, each older one on a page of its own.
        sources: suites, tasks and submissions.
        out: the site's folder.
        progress: shows how many pages are written.
        reports: values published by others.
        full_strip: draws a record's strip of all prompts, or gives None; then the strip beside the record is shown.

    Returns:
        The path of the first page.
    """
    out.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ASSETS, out / "assets", dirs_exist_ok=True)
    suites = [RankedSuite.from_tables(group, sources) for group in by_suite(tuple(tables))]
    n_pages = 4 + sum(2 + len(suite.tables) + len(submission_names(suite)) for suite in suites)
    stage = (progress or Silent()).stage("writing pages", n_pages)
    for page in site_pages(suites, CopiedImages(out, full_strip), sources, reports):
        write_below(out, page.path, page.text())
        stage.advance()
    return out / "index.html"


def by_suite(tables: tuple[ResultTable, ...]) -> Iterator[tuple[ResultTable, ...]]:
    """The tables of each suite version and protocol, the standard protocol first."""
    keys = dict.fromkeys((table.suite_id, table.protocol) for table in tables)
    for suite_id, protocol in sorted(keys, key=lambda key: key[1] != "standard"):
        yield tuple(table for table in tables if (table.suite_id, table.protocol) == (suite_id, protocol))


def submission_names(suite: RankedSuite) -> tuple[str, ...]:
    """Every submission of a suite, in the order of its first task's ranking."""
    return tuple(dict.fromkeys(row.result.record.submission for table in suite.tables for row in suite.ranks[table.task]))


def site_pages(suites: list[RankedSuite], images: CopiedImages, sources: Sources, reports: Sequence[Reported]) -> Iterator[Page]:
    """Every page of the site."""
    versions = [suite_link(suite) for suite in suites]
    shared = {"versions": versions, "about": site_facts(sources), "reported": bool(reports)}
    newest = [suite for suite in suites if suite.is_standard and suite.suite_id in newest_ids(suites)]
    yield Page("index.html", "index.html.j2", shared | index_values(newest, images, ""))
    yield Page("submit.html", "submit.html.j2", shared | {"root": ""})
    if reports:
        yield Page("reported.html", "reported.html.j2", shared | {"root": "", "reports": reports})
    for suite in suites:
        yield Page(f"{suite.folder}/index.html", "index.html.j2", shared | index_values([suite], images, "../"))
        yield Page(f"{suite.folder}/results.csv", "", {"text": csv_table.export(suite.tables, sources)})
        yield Page(f"{suite.folder}/cite.bib", "", {"text": bibtex.export(suite.tables, sources, sources.root.tasks.parent)})
        compared = comparison(suite, images)
        yield Page(
            f"{suite.folder}/compare.html", "compare.html.j2", shared | {"root": "../", "suite_id": suite.suite_id, "tasks": compared}
        )
        sections = neighbour_sections(suite)
        if sections:
            neighbours: dict[str, Any] = {"root": "../", "suite_id": suite.suite_id, "sections": sections}
            yield Page(f"{suite.folder}/neighbours.html", "neighbours.html.j2", shared | neighbours)
        for table in suite.tables:
            values: dict[str, Any] = {
                "table": table,
                "task": suite.sources.task(table.suite, table.task),
                "site_table": task_table(suite, table),
            }
            values |= {"verdicts": VERDICTS, "root": "../../", "suite_id": suite.suite_id}
            yield Page(task_url(table), "task.html.j2", shared | values)
        for name in submission_names(suite):
            tables = [table for table in suite.tables if table.find(name)]
            page = submission_page(suite, name, tables, images)
            yield Page(f"{suite.folder}/{name}.html", "submission.html.j2", shared | page | {"root": "../"})


def newest_ids(suites: Iterable[RankedSuite]) -> set[str]:
    """The newest version of each suite."""
    newest: dict[str, int] = {}
    for suite in suites:
        first = suite.tables[0]
        newest[first.suite] = max(first.version, newest.get(first.suite, 0))
    return {f"{name}-{version}" for name, version in newest.items()}


def suite_link(suite: RankedSuite) -> tuple[str, str]:
    """Name and address of a suite version's page."""
    protocol = "" if suite.is_standard else f", protocol {suite.tables[0].protocol}"
    return suite.suite_id + protocol, f"{suite.folder}/index.html"


def index_values(suites: list[RankedSuite], images: CopiedImages, root: str) -> dict[str, Any]:
    """The values of a first page."""
    return {"suites": [suite_section(suite, images) for suite in suites], "verdicts": VERDICTS, "root": root}


def suite_section(suite: RankedSuite, images: CopiedImages) -> dict[str, Any]:
    """A suite on the first page."""
    everything, several = rank_pool(suite.tables, suite.rules, suite.ranks), len(suite.tables) > 1
    points = pareto_points(everything)
    dates = sorted(row.record.date for table in suite.tables for row in table.rows if row.record.date)
    return {
        "id": suite.suite_id,
        "folder": suite.folder,
        "title": suite.sources.suite_title(suite.tables[0]) or "",
        "headline": headline(suite.tables),
        "images": first_images(suite, images),
        "chart": pareto_chart(points, "Forgetting against damage") if points else "",
        "facts": table_facts(suite.tables),
        "date": dates[-1][:10] if dates else "",
        "pool": pool_text(everything) if several else "",
        "tables": [*([overall_table(everything, suite.sources)] if several else []), *category_tables(suite)],
        "tasks": [(table, task_url(table)) for table in suite.tables],
        "marked": [row.record for table in suite.tables for row in table.rows if is_marked(row.record)],
        "neighbours": any(row.record.probe_results for table in suite.tables for row in table.rows),
    }


def category_tables(suite: RankedSuite) -> Iterator[SiteTable]:
    """One table per category."""
    for category in dict.fromkeys(table.category for table in suite.tables):
        group = [table for table in suite.tables if table.category == category]
        yield category_table(category, rank_pool(group, suite.rules, suite.ranks), suite.rules[group[0].task].primary, suite.sources)
