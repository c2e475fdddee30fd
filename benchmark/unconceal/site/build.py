"""Write the site: a page for the leaderboard, one per task, one per submission, and three small files beside them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from unconceal.leaderboard import labels
from unconceal.leaderboard.markdown import legend, pool_line, standing
from unconceal.leaderboard.sources import Sources
from unconceal.paths import PACKAGE
from unconceal.progress import Progress, Silent
from unconceal.ranking.pool import pool
from unconceal.ranking.task_ranking import rank
from unconceal.results.result_tables import ResultTable
from unconceal.site.pages import Shelf, task_part, task_table
from unconceal.site.site_tables import Table, category_table, overall_table
from unconceal.specs.record import Label

ASSETS = PACKAGE / "site" / "assets"
VERDICTS: tuple[Label, ...] = ("forgets", "conceals", "intact", "damaged", "inconclusive", "undetermined")


def write_site(boards: Iterable[ResultTable], sources: Sources, out: Path, progress: Progress | None = None) -> Path:
    """The whole site below ``out``; returns its first page. Boards need the curves that :data:`unconceal.site.pages.CURVES` names."""
    boards = tuple(boards)
    shown = progress or Silent()
    out.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ASSETS, out / "assets", dirs_exist_ok=True)
    shelves = [shelf(mine, sources, out) for mine in by_suite(boards)]
    names = [{row.record.submission for board in one.boards for row in board.rows} for one in shelves]
    stage = shown.stage("writing pages", sum(len(one.boards) for one in shelves) + sum(map(len, names)) + 1)
    write(out / "index.html", "index.html.j2", suites=[suite_part(one) for one in shelves], verdicts=VERDICTS, root="")
    stage.advance()
    for one in shelves:
        for page in (*task_pages(one), *submission_pages(one)):
            write(out / page[0], page[1], **page[2])
            stage.advance()
    return out / "index.html"


def by_suite(boards: tuple[ResultTable, ...]) -> Iterator[tuple[ResultTable, ...]]:
    """The boards of each suite version under its standard protocol."""
    for suite_id in dict.fromkeys(board.suite_id for board in boards):
        mine = tuple(board for board in boards if board.suite_id == suite_id and board.protocol == "standard")
        if mine:
            yield mine


def shelf(boards: tuple[ResultTable, ...], sources: Sources, out: Path) -> Shelf:
    """One suite version, ranked."""
    rules = {board.task: sources.rules(board) for board in boards}
    return Shelf(boards, {board.task: rank(board, rules[board.task]) for board in boards}, rules, sources, out)


def suite_part(one: Shelf) -> dict[str, Any]:
    """A suite on the first page."""
    everything, first = pool(one.boards, one.rules, one.ranks), one.boards[0]
    return {
        "id": first.suite_id,
        "title": one.sources.suite_title(first) or first.suite,
        "standing": standing(one.boards),
        "pool": pool_line(everything) if len(one.boards) > 1 else "",
        "legend": legend(one.boards, one.sources),
        "tables": [*([overall_table(everything)] if len(one.boards) > 1 else []), *category_tables(one)],
        "tasks": [(board, task_href(board)) for board in one.boards],
    }


def category_tables(one: Shelf) -> Iterator[Table]:
    for category in dict.fromkeys(board.category for board in one.boards):
        mine = [board for board in one.boards if board.category == category]
        yield category_table(category, pool(mine, one.rules, one.ranks), one.rules[mine[0].task].primary)


def task_pages(one: Shelf) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """A page per task."""
    for board in one.boards:
        values = {"board": board, "task": one.sources.task(board.suite, board.task), "table": task_table(one, board)}
        yield task_href(board), "task.html.j2", values | {"verdicts": VERDICTS, "root": "../../", "suite_id": board.suite_id}


def submission_pages(one: Shelf) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """A page per submission, with a part for each of its tasks."""
    rows = {board.task: {row.stored.record.submission: row for row in one.ranks[board.task]} for board in one.boards}
    for name in dict.fromkeys(name for found in rows.values() for name in found):
        mine = [(board, rows[board.task][name]) for board in one.boards if name in rows[board.task]]
        paper, code = one.sources.links(mine[0][1].stored)
        values = {
            "name": name,
            "submission": one.sources.submission(mine[0][1].stored),
            "paper": paper,
            "code": code,
            "parts": (task_part(one, board, row) for board, row in mine),
            "tasks": [board for board, _ in mine],
            "root": "../",
            "suite_id": mine[0][0].suite_id,
        }
        yield f"{mine[0][0].suite_id}/{name}.html", "submission.html.j2", values


def task_href(board: ResultTable) -> str:
    return f"{board.suite_id}/tasks/{board.category}-{board.concept}.html"


def write(path: Path, template: str, **values: Any) -> None:
    """One page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEMPLATES.get_template(template).render(wording=labels, task_href=task_href, **values), encoding="utf-8")


TEMPLATES = Environment(
    loader=PackageLoader("unconceal.site"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
