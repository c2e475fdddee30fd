"""How far the metrics agree with what is known: ranks, separation, verdicts, and what they depend on. Pure functions of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from unconceal.metrics.statistics import Interval, auc, auc_interval, wilson
from unconceal.miniature.study.rows import Row, by_task
from unconceal.specs.record import Label

Measure = Callable[[Row], float | None]
"""A row's value; the larger, the more of the concept is said to be left. None: undefined."""
FEWEST = 5
"""Models below which a rank correlation is not given."""


def score(name: str, sign: int = 1, missing: float | None = None) -> Measure:
    """A score of the record; ``sign`` −1 where small values mean much is left; ``missing`` stands where it is undefined."""

    def measure(row: Row) -> float | None:
        value = row.scores.get(name)
        value = missing if value is None else value
        return None if value is None else sign * value

    return measure


METRICS: Mapping[str, Measure] = {
    "CRS, as released": score("crs.released.forget.resnet18"),
    "CRS, signed": score("crs.signed.forget.resnet18"),
    "CRS, calibrated": score("crs.calibrated.forget.resnet18"),
    "CCS": score("ccs.forget.resnet18"),
    "excess, prompt arm": score("excess.prompt"),
    "excess, empty arm": score("excess.empty"),
    "excess (larger arm)": score("excess"),
    "ψ*, prompt arm": score("psi_star.prompt", -1, 1.0),
    "ψ*, empty arm": score("psi_star.empty", -1, 1.0),
    "KID to θ's pictures": score("kid.original.forget", -1),
    "KID to θ*'s own": score("kid.unlearned.forget"),
    "CLIP score of θ*": score("clip.unlearned"),
    "presence at ψ = 0": score("presence"),
}
"""By the name in tables; the published ones, ours, and the traditional ones."""


def relearning(row: Row) -> float | None:
    """Truth (a): knowledge left, as −(time to learn the concept again / time to learn something new)."""
    return None if row.relearning is None else -row.relearning


def unseen(row: Row) -> float | None:
    """Truth (b): pictures that show the concept when it is asked for in words the unlearner never saw."""
    return row.unseen


def share(row: Row) -> float | None:
    """Truth (c): the share of the concept's pictures that a graded model saw."""
    return row.share if row.kind in ("graded", "gold", "original") else None


TRUTHS: Mapping[str, Measure] = {"relearning": relearning, "unseen wordings": unseen, "share seen": share}


class Agreement(NamedTuple):
    """Mean over tasks of Spearman's ρ within each, with a bootstrap interval; ``by_task``: each task's ρ; ``n``: models behind it."""

    rho: float
    low: float
    high: float
    n: int
    by_task: dict[str, float]


def pairs(rows: Iterable[Row], metric: Measure, truth: Measure) -> NDArray[np.float64]:
    """(n, 2): metric and truth where both are defined."""
    found = [(a, b) for row in rows if (a := metric(row)) is not None and (b := truth(row)) is not None]
    return np.asarray(found, np.float64).reshape(-1, 2)


def rank_agreement(rows: Iterable[Row], metric: Measure, truth: Measure, resamples: int = 1000, seed: int = 0) -> Agreement | None:
    """Spearman's ρ of metric and truth, within tasks and averaged; the interval resamples tasks, and models within them.

    None: no task has ``FEWEST`` models that vary in both.
    """
    tables = {task: pairs(of, metric, truth) for task, of in by_task(rows).items()}
    tables = {task: table for task, table in tables.items() if len(table) >= FEWEST and (np.ptp(table, axis=0) > 0).all()}
    if not tables:
        return None
    rng = np.random.default_rng(seed)
    drawn = np.stack([rhos(table[rng.integers(len(table), size=(resamples, len(table)))]) for table in tables.values()], axis=1)
    picked = np.take_along_axis(drawn, rng.integers(len(tables), size=drawn.shape), axis=1)
    # Resamples in which nothing varies have no ρ.
    known = picked[~np.isnan(picked).all(axis=1)]
    low, high = np.quantile(np.nanmean(known, axis=1), [0.025, 0.975])
    single = {task: float(rhos(table[None])[0]) for task, table in tables.items()}
    return Agreement(float(np.mean(list(single.values()))), float(low), float(high), sum(map(len, tables.values())), single)


def rhos(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spearman's ρ (r,) of the two columns of each table (r, n, 2), ties sharing their mean rank; NaN where one does not vary."""
    ranks = rankdata(tables, axis=1)
    apart = ranks - ranks.mean(axis=1, keepdims=True)
    size = np.sqrt((apart**2).sum(axis=1)).prod(axis=1)
    with np.errstate(invalid="ignore"):
        result: NDArray[np.float64] = apart.prod(axis=2).sum(axis=1) / size
    return result


class Separation(NamedTuple):
    """Area under the curve of telling concealers from golds, with its interval, and how many of each."""

    area: float
    interval: Interval
    golds: int
    concealers: int


def separation(rows: Iterable[Row], metric: Measure) -> Separation | None:
    """How well a metric tells pure concealment from golds over all tasks: 1 perfectly, .5 not at all.

    Within each task the metric is centred on θ's own value, since tasks differ in scale; a task in which θ was not measured is left out.
    """
    scores: list[float] = []
    labels: list[bool] = []
    for of in by_task(rows).values():
        originals = [metric(row) for row in of if row.kind == "original"]
        if not originals:
            continue
        own = originals[0] or 0.0
        known = [(value, row.kind) for row in of if row.kind in ("gold", "decoupled") and (value := metric(row)) is not None]
        scores += [value - own for value, _ in known]
        labels += [kind == "decoupled" for _, kind in known]
    if not any(labels) or all(labels):
        return None
    return Separation(auc(scores, labels), auc_interval(scores, labels), len(labels) - sum(labels), sum(labels))


class Verdicts(NamedTuple):
    """How verdicts compare with known truth. ``wrong`` ones say something that is not so; ``undecided`` ones say nothing."""

    right: int
    wrong: int
    undecided: int

    @property
    def n(self) -> int:
        return self.right + self.wrong + self.undecided

    @property
    def false_rate(self) -> Interval:
        """Wilson interval of the share of wrong verdicts."""
        return wilson(self.wrong, self.n)


def verdicts(labelled: Iterable[tuple[Label | None, Label]]) -> Verdicts:
    """(truth, verdict) of each model; models of unknown truth are left out."""
    known = [(truth, label) for truth, label in labelled if truth is not None]
    undecided = sum(label in ("inconclusive", "undetermined") for _, label in known)
    right = sum(truth == label for truth, label in known)
    return Verdicts(right, len(known) - right - undecided, undecided)


def judged(rows: Iterable[Row]) -> list[tuple[Label | None, Label]]:
    """Truth and verdict of each row as it was read."""
    return [(row.truth, row.label) for row in rows]
