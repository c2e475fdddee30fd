"""How far the metrics agree with what is known: ranks, separation, verdicts, and what they depend on. Pure functions of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from unconceal.metrics.statistics import Interval, auc, auc_interval, wilson
from unconceal.specs.record import Label
from unconceal_lab.study.study_rows import Row, by_task

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
PRIMARY = "excess (larger arm)"
"""The leaderboard's."""
RIVALS = ("CRS, as released", "CCS", "KID to θ's pictures", "KID to θ*'s own", "CLIP score of θ*")
"""Published metrics that the primary column is to rank better than."""


def relearning(row: Row) -> float | None:
    """Truth (a): knowledge left, as −(time to learn the concept again / time to learn something new)."""
    return None if row.relearning is None else -row.relearning


def unseen(row: Row) -> float | None:
    """Truth (b): pictures that show the concept when it is asked for in words the unlearner never saw."""
    return row.unseen


def share(row: Row) -> float | None:
    """Truth (c): the share of the concept's pictures that a model saw, whatever was cut off afterwards."""
    return row.share if row.kind != "surrogate" else None


TRUTHS: Mapping[str, Measure] = {"relearning": relearning, "unseen wordings": unseen, "share seen": share}


class Agreement(NamedTuple):
    """Mean over tasks of Spearman's ρ within each, with a bootstrap interval; ``by_task``: each task's ρ; ``n``: models behind it."""

    rho: float
    low: float
    high: float
    n: int
    by_task: dict[str, float]


def within_tasks(rows: Iterable[Row], *measures: Measure) -> dict[str, NDArray[np.float64]]:
    """By task (n, measures): models of which all measures are known, where there are ``FEWEST`` and they vary in each."""
    known = {task: [values for row in of if (values := all_known(row, measures))] for task, of in by_task(rows).items()}
    found = {task: np.asarray(table, np.float64) for task, table in known.items()}
    return {task: table for task, table in found.items() if len(table) >= FEWEST and (np.ptp(table, axis=0) > 0).all()}


def all_known(row: Row, measures: Iterable[Measure]) -> list[float]:
    """The row's values; none at all where one is undefined."""
    values = [measure(row) for measure in measures]
    return [value for value in values if value is not None] if None not in values else []


def rank_agreement(rows: Iterable[Row], metric: Measure, truth: Measure) -> Agreement | None:
    """Spearman's ρ of metric and truth, within tasks and averaged; the interval resamples tasks, and models within them.

    None: no task has ``FEWEST`` models that vary in both.
    """
    found = within_tasks(rows, metric, truth)
    if not found:
        return None
    low, high = np.nanquantile(resampled(found.values()), [0.025, 0.975])
    single = {task: float(rhos(table[None])[0]) for task, table in found.items()}
    return Agreement(float(np.mean(list(single.values()))), float(low), float(high), sum(map(len, found.values())), single)


class Lead(NamedTuple):
    """Two metrics' mean ρ with a truth on the same ``n`` models of ``tasks`` tasks, and the interval of the first's minus the second's."""

    first: float
    second: float
    low: float
    high: float
    n: int
    tasks: int


def lead(rows: Iterable[Row], first: Measure, second: Measure, truth: Measure) -> Lead | None:
    """Whether one metric ranks better than another: both on the same models, and on the same resamples of them."""
    found = within_tasks(rows, first, second, truth)
    if not found:
        return None
    drawn = resampled(found.values())
    low, high = np.nanquantile(drawn[:, 0] - drawn[:, 1], [0.025, 0.975])
    own, other = (float(np.mean([rhos(table[None, :, [column, 2]])[0] for table in found.values()])) for column in (0, 1))
    return Lead(own, other, float(low), float(high), sum(map(len, found.values())), len(found))


def resampled(tables: Iterable[NDArray[np.float64]], resamples: int = 1000, seed: int = 0) -> NDArray[np.float64]:
    """Mean over tasks of each metric's ρ with the truth, the last column; resamples of tasks, and of models within (resamples, metrics).

    NaN: nothing varies in any task that was drawn.
    """
    rng, known = np.random.default_rng(seed), list(tables)
    again = [table[rng.integers(len(table), size=(resamples, len(table)))] for table in known]
    drawn = np.stack([[rhos(some[..., [column, -1]]) for column in range(some.shape[-1] - 1)] for some in again], axis=1).T
    picked = np.take_along_axis(drawn, rng.integers(len(known), size=drawn.shape[:2])[..., None], axis=1)
    with np.errstate(invalid="ignore"):
        result: NDArray[np.float64] = np.nansum(picked, axis=1) / (~np.isnan(picked)).sum(axis=1)
    return result


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


UNDECIDED: tuple[Label, ...] = ("inconclusive", "undetermined")
"""Verdicts that say nothing."""


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
    undecided = sum(label in UNDECIDED for _, label in known)
    right = sum(truth == label for truth, label in known)
    return Verdicts(right, len(known) - right - undecided, undecided)


def judged(rows: Iterable[Row]) -> list[tuple[Label | None, Label]]:
    """Truth and verdict of each row as it was read."""
    return [(row.truth, row.label) for row in rows]
