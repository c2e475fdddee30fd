"""The sentence that matters, computed from the rows: how many models forget, and what the others do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from unconceal.results.marks import is_marked
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.record import Label

PHRASES: dict[Label, tuple[str, str]] = {
    "forgets": ("{n} forgets the concept", "{n} forget the concept"),
    "not retrieved": ("{n} resists all probes of a tier without relearning", "{n} resist all probes of a tier without relearning"),
    "conceals": ("{n} only conceals it", "{n} only conceal it"),
    "intact": ("{n} still draws it", "{n} still draw it"),
    "damaged": ("{n} destroys other concepts", "{n} destroy other concepts"),
    "inconclusive": ("{n} is inconclusive", "{n} are inconclusive"),
    "undetermined": ("{n} has no verdict", "{n} have no verdict"),
}
"""Each verdict of one row, and of several."""


def headline(tables: Iterable[ResultTable]) -> str:
    """`Of 4 rows of 4 methods, none forgets the concept: 4 only conceal it.` A row is one method on one task; controls do not count."""
    rows = list(submission_rows(tables))
    if not rows:
        return "No method has results yet."
    counts = Counter(row.record.verdict.label for row in rows if not is_marked(row.record))
    n_counted, n_methods = sum(counts.values()), len({row.record.submission for row in rows})
    first = _phrase("forgets", counts["forgets"]) if counts["forgets"] else "none forgets the concept"
    others = [_phrase(label, counts[label]) for label in PHRASES if label != "forgets" and counts[label]]
    text = f"Of {_number_of(n_counted, 'row')} of {_number_of(n_methods, 'method')}, {first}{': ' if others else ''}{_listed(others)}."
    n_marked = len(rows) - n_counted
    return text + (f" Not counted: {_number_of(n_marked, 'disputed or withdrawn row')}." if n_marked else "")


def submission_rows(tables: Iterable[ResultTable]) -> Iterator[ResultRow]:
    """Every row that is not a control's."""
    return (row for table in tables for row in table.rows if not row.is_control)


def _phrase(label: Label, count: int) -> str:
    return PHRASES[label][count > 1].format(n=count)


def _number_of(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))
