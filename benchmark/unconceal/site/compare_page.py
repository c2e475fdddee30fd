"""The page on which two or three submissions are compared on the same prompts and seeds."""

from __future__ import annotations

from typing import Any

from unconceal.errors import CheckFailed
from unconceal.results.result_tables import ResultTable
from unconceal.results.strip_file import ROWS, read_strip
from unconceal.site.image_blocks import ImageStore, image_name, strip_columns
from unconceal.site.result_page import RankedSuite
from unconceal.specs.task import UNSAFE_CATEGORIES


def comparison(suite: RankedSuite, images: ImageStore) -> list[dict[str, Any]]:
    """Of each task the strips that show the same prompts at the same ψ, as plain values for the page's script."""
    return [values for table in suite.tables if (values := _task_values(suite, table, images))]


def _task_values(suite: RankedSuite, table: ResultTable, images: ImageStore) -> dict[str, Any] | None:
    shared: dict[str, Any] = {}
    for ranked in suite.ranks[table.task]:
        row, psi = ranked.result, strip_columns(ranked.result.record)
        path = images.strip(row)
        try:
            strip = read_strip(path, len(psi)) if psi else None
        except CheckFailed:
            continue  # The submission's own page says what is wrong with it.
        if strip is None:
            continue
        same: dict[str, Any] = {"psi": psi, "prompts": strip.prompts, "seeds": strip.seeds, "rows": strip.n_rows, "kinds": len(ROWS)}
        if not shared:
            unsafe = table.category in UNSAFE_CATEGORIES
            shared = same | {"task": table.task, "unsafe": unsafe, "submissions": []}
        if all(shared[name] == value for name, value in same.items()):
            shared["submissions"].append((row.record.submission, images.url(path, image_name(row) + path.suffix)))
    return shared if len(shared.get("submissions", ())) > 1 else None
