"""BibTeX: for the benchmark, for a suite's version, for a row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unconceal import __version__
from unconceal.leaderboard.numbers import with_interval
from unconceal.leaderboard.sources import Sources
from unconceal.paths import PACKAGED_DATA
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.document import Document
from unconceal.specs.suite import Suite

ARXIV = re.compile(r"https?://arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})(?:v\d+)?(?:\.pdf)?/?")
SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {sign: f"\\{sign}" for sign in "&%$#_{}"}


def software_entry(root: Path) -> str:
    """The benchmark itself, from CITATION.cff."""
    cited = _citation(root)
    authors = [f"{{{escape(str(author.get('name') or _person(author)))}}}" for author in cited.get("authors", [])]
    fields = {
        "title": f"{{{escape(str(cited.get('title', 'unconceal')))}}}",
        "author": " and ".join(authors),
        "version": cited.get("version", __version__),
        "url": cited.get("url"),
        "license": cited.get("license"),
    }
    return entry("software", "unconceal", fields)


def suite_entry(suite: Suite, root: Path) -> str:
    """A suite's version: what a number was measured on."""
    fields = {"title": f"{{{escape(suite.title)}}}", "author": "{The unconceal developers}", "version": f"{suite.name} {suite.version}"}
    return entry("misc", suite.id, fields | {"howpublished": "unconceal benchmark suite", "url": _citation(root).get("url")})


def row_entry(row: ResultRow, board: ResultTable, sources: Sources) -> str:
    """A method by its paper, with what was measured of it as a note."""
    record, submission = row.record, sources.submission(row)
    paper, code = sources.links(row)
    found = ARXIV.fullmatch(paper) if paper else None
    preprint = {"eprint": found[1], "archiveprefix": "arXiv"} if found else {}
    gold = f", gold {record.verdict.gold}" if record.verdict.gold else ""
    score = with_interval(record.scores.get(sources.rules(board).primary)).replace("−", "-").replace("–", "-")
    note = f"{board.suite_id}, {record.task}: {record.verdict.label}{gold}, excess {score}; record {record.digest[:12]}"
    fields = {"title": f"{{{escape(submission.title if submission else record.submission)}}}", **preprint, "url": paper or code}
    return entry("misc", f"{record.submission}-{board.suite_id}-{board.concept}", fields | {"note": escape(note)})


def export(boards: Sequence[ResultTable], sources: Sources, root: Path) -> str:
    """The benchmark, each suite's version, and the method of every row that is no control."""
    suites = {board.suite_id: suite for board in boards if (suite := sources.suite(board.suite, board.version))}
    rows = [row_entry(row, board, sources) for board in boards for row in board.rows if not row.is_control]
    return "\n\n".join([software_entry(root), *(suite_entry(suite, root) for suite in suites.values()), *rows]) + "\n"


def entry(kind: str, key: str, fields: dict[str, Any]) -> str:
    """One entry; fields without a value are left out."""
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@{kind}{{{key},\n" + ",\n".join(lines) + "\n}"


def escape(text: str) -> str:
    """Text as TeX prints it."""
    return "".join(SPECIAL.get(sign, sign) for sign in " ".join(text.split()))


def _citation(root: Path) -> dict[str, Any]:
    """CITATION.cff of the data root, or the one that came with the package; empty without either."""
    path = next((path for path in (root / "CITATION.cff", PACKAGED_DATA / "CITATION.cff") if path.is_file()), None)
    values = Document.read(path).values if path else {}
    return values if isinstance(values, dict) else {}


def _person(author: dict[str, Any]) -> str:
    return " ".join(str(author[part]) for part in ("given-names", "family-names") if author.get(part))
