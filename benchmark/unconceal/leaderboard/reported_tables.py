"""The tables of what others reported, after everything that was measured here."""

from __future__ import annotations

from collections.abc import Iterable

from tabulate import tabulate

from unconceal.leaderboard.cells import escape
from unconceal.leaderboard.numbers import number
from unconceal.specs.reported import Reported, ReportedRow

HEADERS = ("method", "target", "split", "prompt", "CCS", "CRS as released", "KID→original", "KID→unlearned")
INTRODUCTION = """\
Published by others and measured by nobody here: other prompts, other judges, another protocol ([docs/protocols.md](docs/protocols.md)).
They are cited, in the order of their source, and are not ranked with the rows above."""


def reported_section(sources: Iterable[Reported]) -> str:
    """The section as Markdown; empty where nothing is reported."""
    found = tuple(sources)
    if not found:
        return ""
    parts = ["## Reported by others", INTRODUCTION]
    for one in found:
        cited = f"### {escape(one.source.title)} ([arXiv {one.source.arxiv}]({one.source.url}))"
        said = f"Source: {one.source.where}. {one.source.note}.".replace(" .", "")
        parts += [cited, said, tabulate(map(_row, one.rows), headers=HEADERS, tablefmt="github", disable_numparse=True)]
    return "\n\n".join(["", *parts]) + "\n"


def _row(row: ReportedRow) -> list[str]:
    scores = (row.ccs, row.crs, row.kid_original, row.kid_unlearned)
    return [escape(row.method), escape(row.target), row.split, escape(row.prompt), *(number(score) for score in scores)]
