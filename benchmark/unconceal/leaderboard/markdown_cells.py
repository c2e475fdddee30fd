"""The cells of a Markdown table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from tabulate import tabulate

from unconceal.escape import escape_markdown, escape_url
from unconceal.leaderboard.labels import INFERENCE_TIME
from unconceal.leaderboard.numbers import NO_VALUE, is_number, number, with_interval
from unconceal.leaderboard.sources import Sources
from unconceal.ranking.task_ranking import RankedRow
from unconceal.results.result_tables import ResultRow


def markdown_table(rows: Iterable[list[str]], headers: Iterable[str]) -> str:
    """A Markdown table, no wider than its cells."""
    return tabulate(list(rows), headers=list(headers), tablefmt="github", disable_numparse=True)


def name_cell(row: ResultRow, sources: Sources) -> str:
    """The submission, linked to its paper if it has one; controls in italics."""
    paper, _ = sources.links(row)
    text = escape_markdown(row.record.submission)
    return f"[{text}]({escape_url(paper)})" if paper else f"*{text}*" if row.is_control else text


def links_cell(row: ResultRow, sources: Sources, folder: Path) -> str:
    """Links to checkpoint and code. ``folder``: that links to files are relative to."""
    links = {"checkpoint": sources.checkpoint(row, folder), "code": sources.links(row)[1]}
    return ", ".join(f"[{label}]({escape_url(url)})" for label, url in links.items() if url) or NO_VALUE


def outcome_cell(row: RankedRow | None, primary: str, sources: Sources, folder: Path) -> str:
    """`conceals .52 [.41, .62]`: the verdict, linked to the website or the record, and the primary score, bold for the best and its ties.

    Args:
        row: None if the submission has no record of the task.
        primary: the score that ranks.
        sources: suites, tasks and submissions.
        folder: the folder that links are relative to.
    """
    if row is None:
        return NO_VALUE
    record = row.result.record
    verdict = link(record.verdict.label, website_url(row.result, sources) or relative_path(row.result.path, folder))
    if record.verification.status == "withdrawn":
        return f"~~{verdict}~~ withdrawn"
    score = with_interval(record.scores.get(primary))
    disputed = " (disputed)" if record.verification.status == "disputed" else ""
    return f"{verdict} {f'**{score}**' if row.is_best else score}{disputed}"


def website_url(row: ResultRow, sources: Sources) -> str | None:
    """The submission's page of the results' website; None without a website."""
    record = row.record
    return f"{sources.site}{record.suite}-{record.suite_version}/{record.submission}.html" if sources.site else None


def link(text: str, target: str | None) -> str:
    return f"[{text}]({escape_url(target)})" if target else text


def verdict_cell(row: ResultRow) -> str:
    """`conceals (trained-without)`: the label and the kind of gold; with the mark of an inference-time method."""
    verdict, status = row.record.verdict, row.record.verification.status
    marks = [
        verdict.gold,
        INFERENCE_TIME if row.record.is_inference_time else None,
        status if status in ("disputed", "withdrawn") else None,
    ]
    return verdict.label + "".join(f" ({mark})" for mark in marks if mark)


def psi_star_cell(row: ResultRow) -> str:
    """`.15 / none`: ψ* in the prompt and the empty arm; a dash if it was not measured."""
    return " / ".join(_psi_star(row, arm) for arm in ("prompt", "empty"))


def _psi_star(row: ResultRow, arm: str) -> str:
    score = row.record.scores.get(f"psi_star.{arm}")
    if score is None:
        return NO_VALUE
    return number(score.value) if is_number(score.value) else "none"


def relative_path(path: Path, folder: Path) -> str | None:
    """A path relative to a folder above it, with forward slashes; None if it is elsewhere."""
    path, folder = path.resolve(), folder.resolve()
    return str(PurePosixPath(path.relative_to(folder))) if path.is_relative_to(folder) else None
