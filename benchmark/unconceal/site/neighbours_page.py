"""The page of a suite's neighbours and attacks: ρ of every ranker by every measure of damage, and success of attacks."""

from __future__ import annotations

from typing import NamedTuple

from unconceal.leaderboard.probe_tables import HEADLINE_MEASURE, MEASURES, probe_cells
from unconceal.site.result_page import RankedSuite


class NeighbourTable(NamedTuple):
    """A table: title, headers and rows of text."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def neighbour_sections(suite: RankedSuite) -> list[tuple[str, list[NeighbourTable]]]:
    """Per task one table for each measure of damage; the first one also has the attacks."""
    sections = []
    for table in suite.tables:
        records = [row.record for row in table.rows if row.record.probe_results]
        if records:
            cells = {label: probe_cells(records, measure, measure == HEADLINE_MEASURE) for measure, label in MEASURES.items()}
            sections.append((table.task, [NeighbourTable(f"Damage by {label}", *parts) for label, parts in cells.items()]))
    return sections
