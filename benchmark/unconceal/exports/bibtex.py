"""BibTeX: for the benchmark, for a suite's version, for a row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unconceal import __version__
from unconceal.escape import citation_key, escape_bibtex, escape_url
from unconceal.leaderboard.numbers import with_interval
from unconceal.leaderboard.sources import Sources
from unconceal.paths import PACKAGED_DATA
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.document import Document
from unconceal.specs.suite import Suite

ARXIV = re.compile(r"https?://arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})(?:v\d+)?(?:\.pdf)?/?")


def software_entry(root: Path) -> str:
    """The benchmark itself, from CITATION.cff."""
    citation = _citation(root)
    authors = [f"{{{escape_bibtex(str(author.get('name') or _person(author)))}}}" for author in citation.get("authors", [])]
    fields = {
        "title": f"{{{escape_bibtex(str(citation.get('title', 'unconceal')))}}}",
        "author": " and ".join(authors),
        "version": citation.get("version", __version__),
        "url": citation.get("url"),
        "license": citation.get("license"),
    }
    return entry("software", "unconceal", fields)


def suite_entry(suite: Suite, root: Path) -> str:
    """A suite's version."""
    fields = {
        "title": f"{{{escape_bibtex(suite.title)}}}",
        "author": "{The unconceal developers}",
        "version": f"{suite.name} {suite.version}",
    }
    return entry("misc", citation_key(suite.id), fields | {"howpublished": "unconceal benchmark suite", "url": _citation(root).get("url")})


def row_entry(row: ResultRow, table: ResultTable, sources: Sources) -> str:
    """A submission by its paper, with its result as a note."""
    record, submission = row.record, sources.submission(row)
    paper, code = sources.links(row)
    arxiv_id = ARXIV.fullmatch(paper) if paper else None
    preprint = {"eprint": arxiv_id[1], "archiveprefix": "arXiv"} if arxiv_id else {}
    gold = f", gold {record.verdict.gold}" if record.verdict.gold else ""
    score = with_interval(record.scores.get(sources.rules(table).primary)).replace("−", "-").replace("–", "-")
    note = f"{table.suite_id}, {record.task}: {record.verdict.label}{gold}, excess {score}; record {record.digest[:12]}"
    fields = {
        "title": f"{{{escape_bibtex(submission.title if submission else record.submission)}}}",
        **preprint,
        "url": escape_url(paper or code or ""),
    }
    return entry("misc", citation_key(record.submission, table.suite_id, table.concept), fields | {"note": escape_bibtex(note)})


def export(tables: Sequence[ResultTable], sources: Sources, root: Path) -> str:
    """The benchmark, each suite's version, and every submission that is not a control."""
    suites = {table.suite_id: suite for table in tables if (suite := sources.suite(table.suite, table.version))}
    rows = [row_entry(row, table, sources) for table in tables for row in table.rows if not row.is_control]
    return "\n\n".join([software_entry(root), *(suite_entry(suite, root) for suite in suites.values()), *rows]) + "\n"


def entry(kind: str, key: str, fields: dict[str, Any]) -> str:
    """One entry; fields without a value are left out."""
    lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
    return f"@{kind}{{{key},\n" + ",\n".join(lines) + "\n}"


def _citation(root: Path) -> dict[str, Any]:
    """CITATION.cff of the data root, or else the packaged one; empty without either."""
    path = next((path for path in (root / "CITATION.cff", PACKAGED_DATA / "CITATION.cff") if path.is_file()), None)
    values = Document.read(path).values if path else {}
    return values if isinstance(values, dict) else {}


def _person(author: dict[str, Any]) -> str:
    return " ".join(str(author[part]) for part in ("given-names", "family-names") if author.get(part))
