"""Pieces that every section of the study's page is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tabulate import tabulate

from unconceal.metrics.statistics import wilson
from unconceal.specs.record import Label
from unconceal.specs.suite import Scoring
from unconceal_lab.study.findings import Verdicts, verdicts
from unconceal_lab.study.reread_verdicts import rejudged
from unconceal_lab.study.study_rows import Row, by_task

FOLDER = "validation"
NOT_YET = "Not measured yet.\n"
KNOWN = ("gold", "alone", "decoupled", "damaged", "original", "unrelated")
SCORED = ("gold", "alone", "decoupled", "damaged")
"""Kinds whose verdicts are known by construction; the rate of false ones is counted on the latter."""
MARGINS = (0.06, 0.08, 0.1, 0.12, 0.15, 0.2)
WIDER_MARGINS = (*MARGINS, 0.25, 0.3, 0.35, 0.4)
"""Margins that verdicts are read anew with; the wider ones for golds of lesser kind."""
SHOWN = ("presence", "excess.prompt", "excess.empty")
"""Scores that tables of single models show."""
COUNTED = ("golds right", "concealers right", "wrong, of all scored", "undecided")


def picture(name: str, told: str) -> str:
    return f"![{told}]({FOLDER}/{name}.png)\n"


def grid(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True) + "\n"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def shown(row: Row) -> list[str]:
    return [number(row.scores.get(name)) for name in SHOWN]


def by_kind(
    rows: Sequence[Row], scoring: Scoring, prompts: int | None = None, psi: Sequence[float] | None = None, golds: str = "gold"
) -> dict[str, Verdicts]:
    """Verdicts read anew, by kind of model. ``golds``: the kind they are read against, or the name of one surrogate; "": none."""
    found: dict[str, list[tuple[Label | None, Label]]] = {kind: [] for kind in KNOWN}
    for of in by_task(rows).values():
        yardstick = [row for row in of if golds in (row.kind, row.name)]
        for row in of:
            if row.kind in KNOWN and (yardstick or not golds):
                found[row.kind].append((row.truth, rejudged(row, yardstick, scoring, prompts, psi)))
    return {kind: verdicts(labels) for kind, labels in found.items() if labels}


def surrogate_names(rows: Sequence[Row]) -> list[str]:
    """Of the models that stand in for golds, each once, in the order of the rows."""
    return list(dict.fromkeys(row.name for row in rows if row.kind == "surrogate"))


def by_surrogates(rows: Sequence[Row], scoring: Scoring) -> Verdicts:
    """Verdicts on all models that are scored, read once against every surrogate that their task has."""
    found = [one for name in surrogate_names(rows) for kind, one in by_kind(rows, scoring, golds=name).items() if kind in SCORED]
    return Verdicts(*(sum(part) for part in zip(*found, strict=True))) if found else Verdicts(0, 0, 0)


def counted(found: Mapping[str, Verdicts]) -> list[str]:
    """Right golds and concealers, wrong and undecided verdicts of all that are scored."""
    of = [found[kind] for kind in SCORED if kind in found]
    n = sum(one.n for one in of)
    wrong, undecided = sum(one.wrong for one in of), sum(one.undecided for one in of)
    right = [f"{found[kind].right}/{found[kind].n}" if kind in found else "–" for kind in ("gold", "decoupled")]
    if not n:
        return [*right, "–", "–"]
    low, high = wilson(wrong, n)
    return [*right, f"{wrong}/{n} [{low:.1%}, {high:.1%}]", f"{undecided}/{n}"]
