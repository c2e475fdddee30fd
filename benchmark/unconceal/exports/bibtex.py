"""BibTeX: for the benchmark, for a suite's version, for a method's paper, for a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from unconceal import __version__
from unconceal.escape import citation_key, escape_bibtex, escape_url
from unconceal.leaderboard.labels import INFERENCE_TIME, STATUS
from unconceal.leaderboard.numbers import with_interval
from unconceal.leaderboard.sources import Sources
from unconceal.paths import PACKAGED_DATA
from unconceal.results.marks import is_marked
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.bibtex_entry import parse_bibtex
from unconceal.specs.document import Document
from unconceal.specs.submission import Submission

ARXIV = re.compile(r"https?://arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})(?:v\d+)?(?:\.pdf)?/?")
DEVELOPERS = "{The unconceal developers}"
ID_LENGTH = 12
"""Hex digits of a record's id in a citation; `cite --record` finds the row of one."""


def export(tables: Sequence[ResultTable], sources: Sources, root: Path) -> str:
    """The benchmark, each suite's version, and every row of a submission with its paper. Withdrawn rows are left out."""
    rows = [(row, table) for table in tables for row in table.rows if not row.is_control and row.record.verification.status != "withdrawn"]
    entries = [software_entry(root), *(suite_entry(table, sources, root) for table in tables), *row_entries(rows, sources, root)]
    return "\n\n".join(dict.fromkeys(entries)) + "\n"


def software_entry(root: Path) -> str:
    """The benchmark itself, from CITATION.cff. Styles know no kind *software*."""
    citation = citation_fields(root)
    authors = [f"{{{escape_bibtex(str(author.get('name') or _person(author)))}}}" for author in citation.get("authors", [])]
    license_name = escape_bibtex(str(citation.get("license", "")))
    fields = {
        "title": f"{{{escape_bibtex(str(citation.get('title', 'unconceal')))}}}",
        "author": " and ".join(authors) or DEVELOPERS,
        "year": _year(root),
        "howpublished": f"Software, version {citation.get('version', __version__)}",
        "note": f"License {license_name}" if license_name else "",
        "url": escape_url(str(citation.get("url", ""))),
    }
    return entry("misc", "unconceal", fields)


def suite_entry(table: ResultTable, sources: Sources, root: Path) -> str:
    """A suite's version."""
    title = sources.suite_title(table) or f"Suite {table.suite}"
    fields = {
        "title": f"{{{escape_bibtex(title)}}}",
        "author": DEVELOPERS,
        "year": _year(root),
        "howpublished": f"unconceal benchmark suite {table.suite}, version {table.version}",
        "url": escape_url(str(citation_fields(root).get("url", ""))),
    }
    return entry("misc", citation_key(table.suite_id), fields)


def row_entries(rows: Iterable[tuple[ResultRow, ResultTable]], sources: Sources, root: Path) -> list[str]:
    """The entries of rows, each after that of its method's paper."""
    entries: dict[str, None] = {}
    for row, table in rows:
        submission = sources.submission(row)
        if submission is not None and (paper := paper_entry(submission)):
            entries[paper] = None
        entries[row_entry(row, table, sources, root)] = None
    return list(entries)


def paper_entry(submission: Submission) -> str:
    """A method's paper: the author's own entry, or one of the submission's fields; empty without either."""
    key = citation_key(submission.name, "paper")
    if submission.bibtex:
        own = parse_bibtex(submission.bibtex)
        return entry(own.kind, key, own.fields)
    if not submission.paper and not submission.paper_title:
        return ""
    arxiv_id = ARXIV.fullmatch(submission.paper or "")
    fields = {
        "title": f"{{{escape_bibtex(submission.paper_title or submission.title)}}}",
        "author": " and ".join(map(escape_bibtex, submission.authors)) or f"{{The authors of {escape_bibtex(submission.title)}}}",
        "year": submission.year or (f"20{arxiv_id[1][:2]}" if arxiv_id else ""),
        "howpublished": escape_bibtex(submission.venue or (f"arXiv:{arxiv_id[1]}" if arxiv_id else "")),
        "url": escape_url(submission.paper or ""),
    }
    return entry("misc", key, fields)


def row_entry(row: ResultRow, table: ResultTable, sources: Sources, root: Path) -> str:
    """One row: method, task, suite version and tier, with verdict, score, verification and the id of the record as a note."""
    record, submission = row.record, sources.submission(row)
    title = f"{submission.title if submission else record.submission} on {record.task}"
    mark = f" ({INFERENCE_TIME})" if record.is_inference_time else ""
    gold = f", gold {record.verdict.gold}" if record.verdict.gold else ""
    score = with_interval(record.scores.get(sources.rules(table).primary)).replace("−", "-").replace("–", "-")
    outcome = "" if record.verification.status == "withdrawn" else f"{record.verdict.label}{mark}{gold}, excess {score}; "
    note = f"{outcome}{verification_text(row)}; record {row.record_id[:ID_LENGTH]}"
    fields = {
        "title": f"{{{escape_bibtex(title)}}}",
        "author": DEVELOPERS,
        "year": (record.date or "")[:4] or _year(root),
        "howpublished": escape_bibtex(
            f"unconceal results, suite {table.suite} version {table.version}, tier {record.tier}, {record.protocol} protocol"
        ),
        "note": escape_bibtex(note),
        "url": escape_url(str(citation_fields(root).get("url", ""))),
    }
    return entry("misc", citation_key(record.submission, table.suite_id, table.concept), fields)


def verification_text(row: ResultRow) -> str:
    """`self-reported`, or a mark with who, when and why: `WITHDRAWN by a maintainer on 2026-11-26: wrong weights`."""
    verification = row.record.verification
    if not is_marked(row.record):
        return STATUS[verification.status]
    return f"{verification.status.upper()} by {verification.by} on {verification.date}: {verification.reason}"


def entry(kind: str, key: str, fields: dict[str, Any]) -> str:
    """One entry; fields without a value are left out."""
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@{kind}{{{key},\n" + ",\n".join(lines) + "\n}"


def citation_fields(root: Path) -> dict[str, Any]:
    """CITATION.cff of the data root, or else the packaged one; empty without either."""
    path = next((path for path in (root / "CITATION.cff", PACKAGED_DATA / "CITATION.cff") if path.is_file()), None)
    values = Document.read(path).values if path else {}
    return values if isinstance(values, dict) else {}


def _year(root: Path) -> str:
    return str(citation_fields(root).get("date-released", ""))[:4]


def _person(author: dict[str, Any]) -> str:
    return " ".join(str(author[part]) for part in ("given-names", "family-names") if author.get(part))
