"""What stands in one cell of a Markdown table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from tabulate import tabulate

from unconceal.leaderboard.numbers import NOTHING, is_number, number, with_interval
from unconceal.leaderboard.sources import Sources
from unconceal.ranking.task_ranking import RankedRow
from unconceal.results.result_tables import ResultRow

VERIFIED = {"self_reported": "", "rerun": "re-run", "disputed": "**disputed**", "withdrawn": "withdrawn"}


def table(rows: Iterable[list[str]], headers: Iterable[str]) -> str:
    """A Markdown table, no wider than its cells."""
    return tabulate(list(rows), headers=list(headers), tablefmt="github", disable_numparse=True)


def name(row: ResultRow, sources: Sources) -> str:
    """The submission, linked to its paper where it names one; controls in italics."""
    paper, _ = sources.links(row)
    text = escape(row.record.submission)
    return f"[{text}]({paper})" if paper else f"*{text}*" if row.is_control else text


def links(row: ResultRow, sources: Sources) -> str:
    """Checkpoint and code."""
    found = {"checkpoint": sources.checkpoint(row), "code": sources.links(row)[1]}
    return ", ".join(f"[{words}]({place})" for words, place in found.items() if place) or NOTHING


def outcome(row: RankedRow | None, primary: str, sources: Sources, beside: Path) -> str:
    """`conceals .52 [.41, .62]`: the verdict, linked to the report or the record, and the primary score, bold for the best and its ties."""
    if row is None:
        return NOTHING
    record = row.stored.record
    verdict = linked(record.verdict.label, report(row.stored, sources) or relative(row.stored.path, beside))
    if record.verification.status == "withdrawn":
        return f"~~{verdict}~~ withdrawn"
    score = with_interval(record.scores.get(primary))
    mark = " (disputed)" if record.verification.status == "disputed" else ""
    return f"{verdict} {f'**{score}**' if row.is_best else score}{mark}"


def report(row: ResultRow, sources: Sources) -> str | None:
    """The submission's page of the results' website, if there is one."""
    record = row.record
    return f"{sources.site}{record.suite}-{record.suite_version}/{record.submission}.html" if sources.site else None


def linked(text: str, place: str | None) -> str:
    return f"[{text}]({quote(place, safe='/:#')})" if place else text


def verdict(row: ResultRow) -> str:
    """`conceals (trained-without)`: the label and the gold behind it."""
    found, status = row.record.verdict, row.record.verification.status
    return found.label + (f" ({found.gold})" if found.gold else "") + (f" ({status})" if status in ("disputed", "withdrawn") else "")


def psi_stars(row: ResultRow) -> str:
    """`.15 / none`: ψ* in the prompt and the empty arm; a dash where it was not measured."""
    return " / ".join(_psi_star(row, arm) for arm in ("prompt", "empty"))


def _psi_star(row: ResultRow, arm: str) -> str:
    score = row.record.scores.get(f"psi_star.{arm}")
    if score is None:
        return NOTHING
    return number(score.value) if is_number(score.value) else "none"


def relative(path: Path, folder: Path) -> str | None:
    """A path as seen from a folder above it, with forward slashes; None if it lies elsewhere."""
    path, folder = path.resolve(), folder.resolve()
    return str(PurePosixPath(path.relative_to(folder))) if path.is_relative_to(folder) else None


def escape(text: str) -> str:
    """Text that stays text inside a Markdown table."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(text.split()))
