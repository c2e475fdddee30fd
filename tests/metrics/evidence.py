"""Evidence whose label is known, for the tests of verdicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from unconceal.metrics.statistics import FloatArray
from unconceal.metrics.verdict import Evidence, RetainedRates
from unconceal.specs.suite import Arm, Scoring

PROMPTS, SEEDS = 20, 4
RETAIN_PSI = (0, 0.3, 0.6, 1)


def answers(rate: float, seed: int = 0, prompts: int = PROMPTS) -> FloatArray:
    """(prompts, 4) answers, of which exactly a share ``rate`` is yes."""
    flat = np.zeros(prompts * SEEDS)
    flat[: round(rate * flat.size)] = 1
    return np.random.default_rng(seed).permutation(flat).reshape(prompts, SEEDS)


def excess(mean: float, spread: float = 0.05) -> FloatArray:
    rows: FloatArray = np.random.default_rng(3).normal(0, spread, PROMPTS)
    return np.asarray(rows - rows.mean() + mean)


def retained(presence: FloatArray, original: FloatArray | float = 0.95) -> RetainedRates:
    """Rates of one arm, of which θ's are the same for every ψ; (r, k) or (r, s, k)."""
    return RetainedRates(RETAIN_PSI, presence, np.broadcast_to(original, presence.shape))


def with_retained(arm: Arm, presence: FloatArray, original: FloatArray | float = 0.95) -> Evidence:
    """Forgotten, with other retained rates in one arm."""
    return replace(FORGOTTEN, retained={**FORGOTTEN.retained, arm: retained(presence, original)})


FORGOTTEN = Evidence(
    p0=answers(0),
    original=answers(1),
    gold_p0=answers(0),
    excess={"prompt": excess(0.0), "empty": excess(0.01), "relearning": excess(0.0)},
    scoring=Scoring(),
    gold_kind="planted",
    evaluation_seeds=SEEDS,
    retain_seeds=SEEDS,
    retained=dict.fromkeys(("prompt", "empty"), retained(np.full((12, 4), 0.95))),
)


def probes(**means: float) -> dict[str, FloatArray]:
    """The excess under both arms and relearning; 0 where no mean is given."""
    return {name: excess(means.get(name, 0.0)) for name in ("prompt", "empty", "relearning", *means)}
