"""docs/performance.md: the tables between its markers are written from what was measured; the words around them are written by people."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from unconceal.errors import CheckFailed
from unconceal.files import write_atomically
from unconceal_lab.bench.bench_results import Found
from unconceal_lab.bench.memory_scaling import Grown
from unconceal_lab.bench.precision import Precision
from unconceal_lab.bench.speed import Cost, Ways
from unconceal_lab.bench.worker_scaling import Planning, Sharing

MARKED = re.compile(r"<!-- measured: (?P<part>[a-z]+) -->\n.*?<!-- end -->", re.DOTALL)
UNMEASURED = "*Not measured yet.*"


def write_page(path: Path, found: Found) -> None:
    """Fill in every table of the page.

    Raises:
        CheckFailed: the page is not there, or has no place for a table.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CheckFailed(
            "bench.missing-page", str(path), "is not there, so its tables have no place", "name docs/performance.md with --out"
        ) from error
    if not MARKED.search(text):
        raise CheckFailed("bench.missing-marker", str(path), "has no place for a table", "restore its markers")
    write_atomically(path, MARKED.sub(lambda place: marked(place["part"], table_of(place["part"], found)), text).encode())


def marked(part: str, table: str) -> str:
    return f"<!-- measured: {part} -->\n{table}\n<!-- end -->"


def table_of(part: str, found: Found) -> str:
    """A part's table, in Markdown."""
    return TABLES[part](found) or UNMEASURED


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], note: str = "") -> str:
    made = tabulate([list(map(str, row)) for row in rows], heads, tablefmt="pipe", disable_numparse=True)
    return made + (f"\n\n{note}" if note else "")


def ways_table(found: Found) -> str:
    return "" if found.ways is None else _ways(found.ways, found.machines["ways"])


def _ways(ways: Ways, machine: str) -> str:
    def row(name: str, cost: Cost, least: str) -> list[str]:
        released = ways.released
        faster = f"{released.generate / cost.generate:.1f} ×", f"{released.total / cost.total:.1f} ×"
        memory = f"{cost.resident:.0f}" if not cost.card else f"{cost.resident:.0f} + {cost.card:.0f} on the card"
        told = [f"{cost.generate:.0f}", f"{cost.judge:.0f}", f"{cost.total:.0f}"]
        return [name, *told, f"{cost.evaluations}", least, *faster, memory]

    first, further = (
        f"{least} ({cost.evaluations / least - 1:+.1%})" for least, cost in zip(ways.bound, (ways.first, ways.further), strict=True)
    )
    rows = [row("ours, first submission", ways.first, first), row("ours, each further one", ways.further, further)]
    rows += [row(f"ours {how}, {name}", cost, "") for how, costs in ways.variants.items() for name, cost in costs.items()]
    rows.append(row("released way, every one", ways.released, ""))
    heads = [
        "",
        "generate, s",
        "judge, s",
        "end to end, s",
        "denoiser rows",
        "fewest possible (ours above it)",
        "generation",
        "end to end",
        "peak MB",
    ]
    said = f"{ways.sample}. {machine}. {ways.released.pictures} pictures; the two ways' differ by {ways.apart:.2f} grey levels on average."
    return table(heads, rows, said)


def memory_table(found: Found) -> str:
    def row(one: Grown) -> list[str]:
        return [f"{one.of} × {one.times}", str(one.pictures), f"{one.resident:.0f}"]

    return table(["", "pictures kept", "peak MB"], list(map(row, found.memory)), f"{found.machines['memory']}.") if found.memory else ""


def sharing_table(found: Found) -> str:
    return "" if found.sharing is None else _sharing(found.sharing, found.machines["sharing"])


def _sharing(sharing: Sharing, machine: str) -> str:
    alone = sharing.seconds[min(sharing.seconds)]
    bare = sharing.bare[min(sharing.bare)]
    rows = [
        [count, f"{seconds:.0f}", f"{alone / seconds:.2f} ×", f"{sharing.bare[count] / bare:.2f} ×"]
        for count, seconds in sorted(sharing.seconds.items())
    ]
    said = f"{sharing.evaluations} evaluations: {sharing.sample}. {machine}. The finished run, asked for again: {sharing.resumed:.1f} s."
    return table(["workers", "s", "faster than one", "bare denoiser, as many processes"], rows, said)


def planning_table(found: Found) -> str:
    return "" if found.planning is None else _planning(found.planning)


def _planning(planning: Planning) -> str:
    row = [planning.submissions, planning.tasks, planning.cells, f"{planning.rows:.3g}", f"{planning.seconds:.1f}"]
    return table(["submissions", "tasks", "cells", "denoiser rows", "s"], [row])


def precision_table(found: Found) -> str:
    return "" if found.precision is None else _precision(found.precision, found.machines["precision"])


def _precision(precision: Precision, machine: str) -> str:
    def row(name: str) -> list[str]:
        here = [one for one in precision.moved if one.name == name]
        apart = [one.after - one.before for one in here]
        inside = [one.within for one in here if one.within is not None]
        return [name, f"{max(map(abs, apart)):.4f}", f"{sum(apart) / len(apart):+.4f}", f"{sum(inside)} of {len(inside)}" if inside else ""]

    names = list(dict.fromkeys(one.name for one in precision.moved))
    verdicts = "; ".join(f"{name}: {before} → {after}" for name, (before, after) in precision.verdicts.items())
    said = f"{precision.sample}; against {precision.dtype}. {machine}. Verdicts: {verdicts}."
    return table(["score", "largest difference", "mean difference", "in float32's interval"], list(map(row, names)), said)


def growth_table(found: Found) -> str:
    return "" if found.ways is None else _growth(found.ways)


def _growth(ways: Ways) -> str:
    """Computed: hours of 64 workers as fast as the one that was measured."""
    theta = ways.first.evaluations - ways.further.evaluations
    rate = ways.further.evaluations / ways.further.generate
    rows = []
    for submissions, tasks in ((1, 1), (10, 9), (100, 16), (1000, 100)):
        ours = tasks * (theta + submissions * ways.further.evaluations) / rate
        released = tasks * submissions * ways.released.generate
        judged = tasks * submissions * ways.further.judge
        rows.append([submissions, tasks, *(f"{seconds / 64 / 3600:.2g}" for seconds in (ours, judged, ours + judged, released + judged))])
    heads = ["submissions", "tasks", "generate, h", "judge, h", "end to end, h", "released way, h"]
    said = f"Computed, not run: 64 workers, each at the {rate:.3g} denoiser rows a second that one was measured at ({ways.sample})."
    return table(heads, rows, said)


TABLES: Mapping[str, Callable[[Found], str]] = {
    "ways": ways_table,
    "memory": memory_table,
    "sharing": sharing_table,
    "planning": planning_table,
    "precision": precision_table,
    "growth": growth_table,
}
"""By the name that the page's markers have."""
