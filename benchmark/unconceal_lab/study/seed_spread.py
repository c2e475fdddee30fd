"""How scores depend on seeds, extractor and protocol. Pure functions of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata, spearmanr

from unconceal_lab.study.findings import MIN_MODELS, Measure, RankAgreement, rank_agreement
from unconceal_lab.study.published_unlearners import Key, retrained_unlearners
from unconceal_lab.study.study_rows import Row, by_task


class SeedSpread(NamedTuple):
    """Standard deviation of a score over seeds (mean over models) and over models (mean over tasks); ``n`` models."""

    seeds: float
    models: float
    n: int


def by_model(rows: Iterable[Row], score: str, settings: Sequence[str]) -> dict[Key, tuple[float, ...]]:
    """A score under each of several settings, for models in which it is defined under all."""
    scores: dict[Key, dict[str, float]] = {}
    for row in rows:
        if row.setting in settings and (value := row.scores.get(score)) is not None:
            scores.setdefault((row.task, row.name), {})[row.setting] = value
    return {
        key: tuple(by_setting[setting] for setting in settings) for key, by_setting in scores.items() if len(by_setting) == len(settings)
    }


def classifier_seed_spread(rows: Iterable[Row], score: str, settings: Sequence[str]) -> SeedSpread | None:
    """Over seeds of the classifier. None: no task has two models measured under all ``settings``."""
    return seed_spread(by_model(rows, score, settings))


def training_seed_spread(rows: Iterable[Row], score: str) -> SeedSpread | None:
    """Over training seeds of the unlearners. None: no task has two unlearners with several trainings."""
    scores = {key: [row.scores.get(score) for row in trainings] for key, trainings in retrained_unlearners(rows).items()}
    defined = {key: tuple(value for value in values if value is not None) for key, values in scores.items()}
    return seed_spread({key: values for key, values in defined.items() if len(values) > 1})


def seed_spread(values_by_model: Mapping[Key, Sequence[float]]) -> SeedSpread | None:
    """From each model's values over seeds, by task and name. None: no task has two models."""
    means: dict[str, list[float]] = {}
    for (task, _), values in values_by_model.items():
        means.setdefault(task, []).append(float(np.mean(values)))
    over_models = [float(np.std(values, ddof=1)) for values in means.values() if len(values) > 1]
    if not over_models:
        return None
    over_seeds = [np.std(values, ddof=1) for values in values_by_model.values()]
    return SeedSpread(float(np.mean(over_seeds)), float(np.mean(over_models)), len(values_by_model))


def extractor_agreement(rows: Sequence[Row], score: str, extractors: Sequence[str]) -> list[RankAgreement]:
    """Rank agreement of each pair of extractors over the models of a task; ``score`` ends before the extractor's name."""

    def measure(extractor: str) -> Measure:
        return lambda row: row.scores.get(f"{score}.{extractor}")

    pairs = (rank_agreement(rows, measure(first), measure(second)) for first, second in combinations(extractors, 2))
    return [agreement for agreement in pairs if agreement is not None]


class RankDifference(NamedTuple):
    """How two scores rank the ``n`` models of one task: Spearman's ρ, mean and largest difference of ranks."""

    task: str
    n: int
    rho: float
    mean: float
    largest: float


def rank_differences(rows: Iterable[Row], first: Measure, second: Measure, settings: tuple[str, str]) -> list[RankDifference]:
    """Compare ``first`` under the first setting with ``second`` under the second, per task."""
    differences = []
    for task, task_rows in by_task(rows).items():
        first_values, second_values = (
            {row.name: value for row in task_rows if row.setting == setting and (value := measure(row)) is not None}
            for setting, measure in zip(settings, (first, second), strict=True)
        )
        names = sorted(first_values.keys() & second_values.keys())
        if len(names) >= MIN_MODELS:
            x, y = ([values[name] for name in names] for values in (first_values, second_values))
            ranks = np.abs(rankdata(x) - rankdata(y))
            rho = float(spearmanr(x, y).statistic)
            differences.append(RankDifference(task, len(names), rho, float(ranks.mean()), float(ranks.max())))
    return differences
