"""Strips of every prompt, drawn from the store for a site that shows more than the strips beside the records."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from unconceal.evaluation.image_strip import draw_strip
from unconceal.evaluation.recorded_images import recorded_images
from unconceal.leaderboard.sources import Sources
from unconceal.results.image_files import STRIP
from unconceal.results.result_tables import ResultRow

MAX_STRIP_BYTES = 2 * 2**20
"""Of one strip; 36 prompts of 64 pixels have a third of it."""


@dataclass
class FullStrips:
    """Draws the strip of all prompts of a record whose images are all stored.

    Attributes:
        sources: tasks, and the data root with the store.
        folder: where the strips are written.
        drawn: strips by record; None where images are missing.
    """

    sources: Sources
    folder: Path
    drawn: dict[str, Path | None] = field(default_factory=dict)

    def __call__(self, row: ResultRow) -> Path | None:
        """The file of the strip, or None."""
        digest = row.record.measured_digest
        if digest not in self.drawn:
            self.drawn[digest] = self._draw(row, f"{digest}{STRIP.suffix}")
        return self.drawn[digest]

    def _draw(self, row: ResultRow, name: str) -> Path | None:
        task = self.sources.task(row.record.suite, row.record.task)
        recorded = recorded_images(self.sources.root, row.record, task) if task else None
        if recorded is None or task is None:
            return None
        content = draw_strip(*recorded, task.category, len(recorded.block.prompts), MAX_STRIP_BYTES)
        (self.folder / name).write_bytes(content)
        return self.folder / name
