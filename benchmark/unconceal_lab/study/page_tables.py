"""Tables and counts that all sections of the validation page use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tabulate import tabulate

from unconceal.metrics.statistics import wilson
from unconceal.specs.record import Label
from unconceal.specs.suite import Scoring
from unconceal_lab.study.findings import Verdicts, verdicts
from unconceal_lab.study.reread_verdicts import label_of
from unconceal_lab.study.study_rows import Row, by_task

FOLDER = "validation"
NOT_YET = "Not measured yet.\n"
TRUTH_KINDS = ("gold", "alone", "decoupled", "damaged", "original", "unrelated")
SCORED_KINDS = ("gold", "alone", "decoupled", "damaged")
"""Kinds whose verdicts are known by construction; false verdicts are counted on ``SCORED_KINDS``."""
MARGINS = (0.06, 0.08, 0.1, 0.12, 0.15, 0.2)
WIDER_MARGINS = (*MARGINS, 0.25, 0.3, 0.35, 0.4)
"""Margins that verdicts are computed with; the wider ones for surrogates."""
MODEL_SCORES = ("presence", "excess.prompt", "excess.empty")
"""Scores in tables of single models."""
COUNT_HEADERS = ("golds right", "concealers right", "wrong, of all scored", "undecided")

IsGold = Callable[[Row], bool]
"""Whether a row is one that others are compared with."""


def is_gold(row: Row) -> bool:
    """Exact golds."""
    return row.kind == "gold"


def is_surrogate(name: str) -> IsGold:
    """The surrogate of a name. A name alone does not decide: one surrogate has the name of the kind."""
    return lambda row: row.kind == "surrogate" and row.name == name


def figure(name: str, alt_text: str) -> str:
    return f"![{alt_text}]({FOLDER}/{name}.png)\n"


def grid(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True) + "\n"


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def model_scores(row: Row) -> list[str]:
    return [number(row.scores.get(name)) for name in MODEL_SCORES]


def by_kind(
    rows: Sequence[Row],
    scoring: Scoring,
    prompts: int | None = None,
    psi: Sequence[float] | None = None,
    golds: IsGold | None = is_gold,
) -> dict[str, Verdicts]:
    """Recompute verdicts and count them by kind of model.

    Args:
        rows: Rows of any tasks.
        scoring: The suite's rules.
        prompts: Use only the first so many prompts.
        psi: Use only these points of the grid.
        golds: Selects the rows to compare with; tasks without any are excluded. None: compare with nothing.
    """
    labels: dict[str, list[tuple[Label | None, Label]]] = {kind: [] for kind in TRUTH_KINDS}
    for task_rows in by_task(rows).values():
        references = [row for row in task_rows if golds is not None and golds(row)]
        for row in task_rows:
            if row.kind in TRUTH_KINDS and (references or golds is None):
                labels[row.kind].append((row.truth, label_of(row, references, scoring, prompts, psi)))
    return {kind: verdicts(pairs) for kind, pairs in labels.items() if pairs}


def surrogate_names(rows: Sequence[Row]) -> list[str]:
    """Names of the surrogates, in the order of the rows."""
    return list(dict.fromkeys(row.name for row in rows if row.kind == "surrogate"))


def by_surrogates(rows: Sequence[Row], scoring: Scoring) -> Verdicts:
    """Verdicts on all scored models, compared once with every surrogate of their task."""
    counts = [
        kind_counts
        for name in surrogate_names(rows)
        for kind, kind_counts in by_kind(rows, scoring, golds=is_surrogate(name)).items()
        if kind in SCORED_KINDS
    ]
    return Verdicts(*(sum(part) for part in zip(*counts, strict=True))) if counts else Verdicts(0, 0, 0)


def count_cells(counts: Mapping[str, Verdicts]) -> list[str]:
    """Cells under ``COUNT_HEADERS``."""
    scored = [counts[kind] for kind in SCORED_KINDS if kind in counts]
    n = sum(count.n for count in scored)
    wrong, undecided = sum(count.wrong for count in scored), sum(count.undecided for count in scored)
    right = [f"{counts[kind].right}/{counts[kind].n}" if kind in counts else "–" for kind in ("gold", "decoupled")]
    if not n:
        return [*right, "–", "–"]
    low, high = wilson(wrong, n)
    return [*right, f"{wrong}/{n} [{low:.1%}, {high:.1%}]", f"{undecided}/{n}"]
