"""LEADERBOARD.md as a file: its path, its text, and whether it is up to date."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from unconceal.errors import CheckFailed
from unconceal.escape import escape_markdown, escape_url
from unconceal.leaderboard.markdown import leaderboard_markdown
from unconceal.leaderboard.markdown_cells import markdown_table
from unconceal.leaderboard.numbers import number, with_interval
from unconceal.leaderboard.sources import Sources
from unconceal.paths import DataRoot
from unconceal.results.result_tables import ResultTable, load_newest_tables, read_for_ranking
from unconceal.specs.reported import Reported, ReportedRow, ReportedScore, load_reported
from unconceal.specs.score import Score

REPORTED_HEADERS = ("method", "target", "split", "prompt", "CCS", "CRS as released", "KID→original", "KID→unlearned")
SCORE_HEADERS = ("model", "evaluation", "metric", "value [95 %]", "n")
REPORTED_INTRODUCTION = """\
Results published by others, not measured by this project: prompts, judges and protocol differ
([docs/concepts/paper-protocol.md](docs/concepts/paper-protocol.md)). They are cited in the order of their source and are not ranked."""


def leaderboard_path(root: DataRoot) -> Path:
    """LEADERBOARD.md beside the results folder."""
    return root.results.parent / "LEADERBOARD.md"


def leaderboard_text(root: DataRoot, tables: Iterable[ResultTable] | None = None, sources: Sources | None = None) -> str:
    """The file's text. ``tables`` with their ``sources``: instead of the records under results/."""
    if tables is None:
        tables = load_newest_tables(root.result_folders, read_for_ranking)
    measured = leaderboard_markdown(tables, sources or Sources(root), leaderboard_path(root).parent)
    return measured + reported_section(load_reported(root.result_folders))


def check_up_to_date(path: Path, text: str) -> None:
    """Raises CheckFailed if the file differs from its text."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        remedy = "run `unconceal leaderboard` and commit the file"
        raise CheckFailed("leaderboard.stale", str(path), "is stale: it does not match the records under results/", remedy)


def reported_section(reports: Iterable[Reported]) -> str:
    """The section of reported results as Markdown; empty without any."""
    reports = tuple(reports)
    if not reports:
        return ""
    parts = ["## Reported by others", REPORTED_INTRODUCTION]
    for report in reports:
        name = f"arXiv {report.source.arxiv}" if report.source.arxiv else "source"
        heading = f"### {escape_markdown(report.source.title)} ([{name}]({escape_url(report.source.url)}))"
        source = f"Source: {escape_markdown(report.source.location)}. {escape_markdown(report.source.note)}.".replace(" .", "")
        parts += [heading, source]
        parts += [markdown_table(map(_reported_cells, report.rows), REPORTED_HEADERS)] if report.rows else []
        parts += [markdown_table(map(_score_cells, report.scores), SCORE_HEADERS)] if report.scores else []
    return "\n\n".join(["", *parts]) + "\n"


def _reported_cells(row: ReportedRow) -> list[str]:
    scores = (row.ccs, row.crs, row.kid_original, row.kid_unlearned)
    return [*map(escape_markdown, (row.method, row.target, row.split, row.prompt)), *(number(score) for score in scores)]


def _score_cells(score: ReportedScore) -> list[str]:
    value = with_interval(Score(value=score.value, low=score.low, high=score.high, n=score.n or 0))
    direction = "↓" if score.lower_is_better else "↑"
    names = map(escape_markdown, (score.model, score.evaluation, score.metric))
    return [*names, f"{value} {direction}", "–" if score.n is None else str(score.n)]
