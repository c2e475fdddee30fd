"""How much scores depend on who trains and who measures: seeds, the extractor, the protocol. Pure functions of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata, spearmanr

from unconceal_lab.study.findings import FEWEST, Agreement, Measure, rank_agreement
from unconceal_lab.study.published_unlearners import Key, trained_again
from unconceal_lab.study.study_rows import Row, by_task


class SeedSpread(NamedTuple):
    """Standard deviation of a score over seeds (mean over models) and over models (mean over tasks); ``n`` models."""

    seeds: float
    models: float
    n: int


def by_model(rows: Iterable[Row], score: str, settings: Sequence[str]) -> dict[Key, tuple[float, ...]]:
    """A score under each of several settings, of the models in which it is defined under all."""
    found: dict[Key, dict[str, float]] = {}
    for row in rows:
        if row.setting in settings and (value := row.scores.get(score)) is not None:
            found.setdefault((row.task, row.name), {})[row.setting] = value
    return {key: tuple(of[setting] for setting in settings) for key, of in found.items() if len(of) == len(settings)}


def seed_spread(rows: Iterable[Row], score: str, settings: Sequence[str]) -> SeedSpread | None:
    """Over the classifier's seeds. None: no task has two models that were measured under all ``settings``."""
    return spread_of(by_model(rows, score, settings))


def training_spread(rows: Iterable[Row], score: str) -> SeedSpread | None:
    """Over the unlearners' training seeds. None: no task has two unlearners with several trainings."""
    every = {key: [row.scores.get(score) for row in of] for key, of in trained_again(rows).items()}
    known = {key: tuple(value for value in values if value is not None) for key, values in every.items()}
    return spread_of({key: values for key, values in known.items() if len(values) > 1})


def spread_of(found: Mapping[Key, Sequence[float]]) -> SeedSpread | None:
    """From each model's values over seeds, by task and name. None: no task has two models."""
    tasks: dict[str, list[float]] = {}
    for (task, _), values in found.items():
        tasks.setdefault(task, []).append(float(np.mean(values)))
    apart = [float(np.std(values, ddof=1)) for values in tasks.values() if len(values) > 1]
    if not apart:
        return None
    return SeedSpread(float(np.mean([np.std(values, ddof=1) for values in found.values()])), float(np.mean(apart)), len(found))


def between_extractors(rows: Sequence[Row], score: str, extractors: Sequence[str]) -> list[Agreement]:
    """Agreement of the ranks that each pair of extractors gives to the models of a task; ``score`` ends before the extractor's name."""

    def of(name: str) -> Measure:
        return lambda row: row.scores.get(f"{score}.{name}")

    every = (rank_agreement(rows, of(one), of(other)) for one, other in combinations(extractors, 2))
    return [one for one in every if one is not None]


class Apart(NamedTuple):
    """How two scores rank the models of one task: Spearman's ρ, and by how many places they disagree on average and at most."""

    task: str
    n: int
    rho: float
    mean: float
    most: float


def ranked_apart(rows: Iterable[Row], one: Measure, other: Measure, settings: tuple[str, str]) -> list[Apart]:
    """``one`` under the first setting against ``other`` under the second, task by task; large scores stand for much that is left."""
    found = []
    for task, of in by_task(rows).items():
        first, second = (
            {row.name: value for row in of if row.setting == setting and (value := measure(row)) is not None}
            for setting, measure in zip(settings, (one, other), strict=True)
        )
        names = sorted(first.keys() & second.keys())
        if len(names) >= FEWEST:
            places = np.abs(rankdata([first[name] for name in names]) - rankdata([second[name] for name in names]))
            rho = float(spearmanr([first[name] for name in names], [second[name] for name in names]).statistic)
            found.append(Apart(task, len(names), rho, float(places.mean()), float(places.max())))
    return found
