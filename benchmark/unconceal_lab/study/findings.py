"""Statistics of the study: rank correlations, separation of concealers from golds, verdict counts. Pure functions of rows."""

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
"""A value of a row, oriented so that larger means more of the concept is left; None where undefined."""
MIN_MODELS = 5
"""Fewer models on a task give no rank correlation."""


def score(name: str, sign: int = 1, missing: float | None = None) -> Measure:
    """Return a measure that reads a score of the record.

    Args:
        name: Key in ``Row.scores``.
        sign: −1 for scores whose small values mean that much is left.
        missing: Value used where the score is undefined; None keeps it undefined.
    """

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
"""Measures by the name used in tables."""
PRIMARY = "excess (larger arm)"
"""The metric that the leaderboard ranks by."""
PUBLISHED_METRICS = ("CRS, as released", "CCS", "KID to θ's pictures", "KID to θ*'s own", "CLIP score of θ*")
"""Published metrics that the primary metric is compared with."""


def relearning(row: Row) -> float | None:
    """Truth (a): remaining knowledge, −(relearning time of the concept / learning time of a control concept)."""
    return None if row.relearning is None else -row.relearning


def unseen(row: Row) -> float | None:
    """Truth (b): share of images that show the concept for prompts that do not name it."""
    return row.unseen


def share(row: Row) -> float | None:
    """Truth (c): share of the concept's training images that the model saw; None for surrogates."""
    return row.share if row.kind != "surrogate" else None


TRUTHS: Mapping[str, Measure] = {"relearning": relearning, "unseen wordings": unseen, "share seen": share}


class RankAgreement(NamedTuple):
    """Rank correlation of a metric with a truth.

    Attributes:
        rho: Mean over tasks of Spearman's ρ within each task.
        low, high: 95 % bootstrap interval.
        n: Number of models.
        by_task: ρ of each task.
    """

    rho: float
    low: float
    high: float
    n: int
    by_task: dict[str, float]


def within_tasks(rows: Iterable[Row], *measures: Measure) -> dict[str, NDArray[np.float64]]:
    """Values (n, measures) of each task with at least ``MIN_MODELS`` complete rows that vary in every measure."""
    complete = {
        task: [values for row in task_rows if (values := complete_values(row, measures))] for task, task_rows in by_task(rows).items()
    }
    tables = {task: np.asarray(values, np.float64) for task, values in complete.items()}
    return {task: table for task, table in tables.items() if len(table) >= MIN_MODELS and (np.ptp(table, axis=0) > 0).all()}


def complete_values(row: Row, measures: Iterable[Measure]) -> list[float]:
    """Values of all measures; an empty list if one is undefined."""
    values = [measure(row) for measure in measures]
    return [value for value in values if value is not None] if None not in values else []


def rank_agreement(rows: Iterable[Row], metric: Measure, truth: Measure) -> RankAgreement | None:
    """Spearman's ρ of metric and truth within tasks, averaged over tasks.

    Returns:
        The correlation; its interval resamples tasks and models within tasks. None: no task has ``MIN_MODELS`` models that vary in both.
    """
    tables = within_tasks(rows, metric, truth)
    if not tables:
        return None
    low, high = np.nanquantile(bootstrap_rhos(tables.values()), [0.025, 0.975])
    rho_by_task = {task: float(rhos(table[None])[0]) for task, table in tables.items()}
    return RankAgreement(float(np.mean(list(rho_by_task.values()))), float(low), float(high), sum(map(len, tables.values())), rho_by_task)


class CorrelationDifference(NamedTuple):
    """Mean ρ of two metrics with a truth, on the same ``n`` models of ``tasks`` tasks; 95 % interval of first minus second."""

    first: float
    second: float
    low: float
    high: float
    n: int
    tasks: int


def correlation_difference(rows: Iterable[Row], first: Measure, second: Measure, truth: Measure) -> CorrelationDifference | None:
    """Compare the rank correlations of two metrics with a truth, on the same models and the same bootstrap samples."""
    tables = within_tasks(rows, first, second, truth)
    if not tables:
        return None
    samples = bootstrap_rhos(tables.values())
    low, high = np.nanquantile(samples[:, 0] - samples[:, 1], [0.025, 0.975])
    rho_first, rho_second = (float(np.mean([rhos(table[None, :, [column, 2]])[0] for table in tables.values()])) for column in (0, 1))
    return CorrelationDifference(rho_first, rho_second, float(low), float(high), sum(map(len, tables.values())), len(tables))


def bootstrap_rhos(tables: Iterable[NDArray[np.float64]], resamples: int = 1000, seed: int = 0) -> NDArray[np.float64]:
    """Bootstrap the mean over tasks of each metric's ρ with the truth; tasks and models within tasks are resampled.

    Args:
        tables: One array (n, metrics + 1) per task; the last column is the truth.
        resamples: Number of bootstrap samples.
        seed: Seed of the bootstrap.

    Returns:
        (resamples, metrics); NaN where nothing varies in any sampled task.
    """
    rng, table_list = np.random.default_rng(seed), list(tables)
    model_samples = [table[rng.integers(len(table), size=(resamples, len(table)))] for table in table_list]
    rho = np.stack([[rhos(sample[..., [column, -1]]) for column in range(sample.shape[-1] - 1)] for sample in model_samples], axis=1).T
    task_samples = np.take_along_axis(rho, rng.integers(len(table_list), size=rho.shape[:2])[..., None], axis=1)
    with np.errstate(invalid="ignore"):
        result: NDArray[np.float64] = np.nansum(task_samples, axis=1) / (~np.isnan(task_samples)).sum(axis=1)
    return result


def rhos(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spearman's ρ (r,) of the two columns of each table (r, n, 2); ties share their mean rank; NaN for a constant column."""
    ranks = rankdata(tables, axis=1)
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    norm = np.sqrt((centred**2).sum(axis=1)).prod(axis=1)
    with np.errstate(invalid="ignore"):
        result: NDArray[np.float64] = centred.prod(axis=2).sum(axis=1) / norm
    return result


class Separation(NamedTuple):
    """Area under the ROC curve of concealers against golds, its interval, and the number of each."""

    area: float
    interval: Interval
    golds: int
    concealers: int


def separation(rows: Iterable[Row], metric: Measure) -> Separation | None:
    """How well a metric separates pure concealers from golds over all tasks: 1 perfectly, .5 not at all.

    The metric is centred on θ's value within each task, because tasks differ in scale. Tasks without a value for θ are excluded.
    """
    scores: list[float] = []
    labels: list[bool] = []
    for task_rows in by_task(rows).values():
        originals = [metric(row) for row in task_rows if row.kind == "original"]
        if not originals:
            continue
        original = originals[0] or 0.0
        labelled = [(value, row.kind) for row in task_rows if row.kind in ("gold", "decoupled") and (value := metric(row)) is not None]
        scores += [value - original for value, _ in labelled]
        labels += [kind == "decoupled" for _, kind in labelled]
    if not any(labels) or all(labels):
        return None
    return Separation(auc(scores, labels), auc_interval(scores, labels), len(labels) - sum(labels), sum(labels))


UNDECIDED: tuple[Label, ...] = ("inconclusive", "undetermined")
"""Labels that decide nothing."""


class Verdicts(NamedTuple):
    """Counts of verdicts against known truth: ``right``, ``wrong``, and ``undecided`` (:data:`UNDECIDED`)."""

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
    """Count (truth, verdict) pairs; pairs of unknown truth are excluded."""
    pairs = [(truth, label) for truth, label in labelled if truth is not None]
    undecided = sum(label in UNDECIDED for _, label in pairs)
    right = sum(truth == label for truth, label in pairs)
    return Verdicts(right, len(pairs) - right - undecided, undecided)


def labelled_truths(rows: Iterable[Row]) -> list[tuple[Label | None, Label]]:
    """Truth and verdict of each row."""
    return [(row.truth, row.label) for row in rows]
