"""Every rule of the verdict, on evidence whose label is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from unconceal.metrics.verdict import Evidence, Values, decide, presence_interval, retain_falls
from unconceal.specs.suite import Arm, Scoring

PROMPTS, SEEDS = 20, 4


def answers(rate: float, seed: int = 0, prompts: int = PROMPTS) -> Values:
    """(prompts, 4) answers, of which exactly a share ``rate`` is yes."""
    flat = np.zeros(prompts * SEEDS)
    flat[: round(rate * flat.size)] = 1
    return np.random.default_rng(seed).permutation(flat).reshape(prompts, SEEDS)


def excess(mean: float, spread: float = 0.05) -> Values:
    rows: Values = np.random.default_rng(3).normal(0, spread, PROMPTS)
    return np.asarray(rows - rows.mean() + mean)


FORGOTTEN = Evidence(
    p0=answers(0),
    original=answers(1),
    gold0=answers(0),
    excess={"prompt": excess(0.0), "empty": excess(0.01)},
    scoring=Scoring(),
    gold_kind="planted",
    images=SEEDS,
    retain_images=SEEDS,
    retain_psi=(0, 0.3, 0.6, 1),
    retain_presence=np.ones((12, 4)) * 0.95,
    retain_original=np.ones(12) * 0.95,
)


def test_forgets() -> None:
    verdict = decide(FORGOTTEN)
    assert verdict.label == "forgets" and verdict.gold == "planted"


def test_perfect_zeros_forget_because_there_are_pictures_enough_and_not_otherwise() -> None:
    silent = replace(FORGOTTEN, excess={"prompt": np.zeros(PROMPTS), "empty": np.zeros(PROMPTS)})
    assert decide(silent).label == "forgets"
    few = replace(silent, p0=np.zeros(PROMPTS), original=np.ones(PROMPTS), gold0=np.zeros(PROMPTS), images=1)
    verdict = decide(few)
    assert verdict.label == "inconclusive" and "about 25 prompts" in verdict.why


def test_intact() -> None:
    assert decide(replace(FORGOTTEN, p0=answers(0.9), excess={"prompt": excess(1), "empty": excess(1)})).label == "intact"


@pytest.mark.parametrize("arm", ["prompt", "empty"])
def test_conceals_when_either_arm_retrieves(arm: Arm) -> None:
    arms: dict[Arm, Values] = {"prompt": excess(0.0), "empty": excess(0.0), arm: excess(0.6)}
    verdict = decide(replace(FORGOTTEN, excess=arms))
    assert verdict.label == "conceals" and arm in verdict.why


def test_damaged_replaces_forgets_and_inconclusive_but_never_conceals() -> None:
    broken = np.full((12, 4), 0.95)
    broken[:, 1] = 0.3
    hurt = replace(FORGOTTEN, retain_presence=broken)
    verdict = decide(hurt)
    assert verdict.label == "damaged" and "ψ = 0.3" in verdict.why
    assert decide(replace(hurt, excess={"prompt": excess(0.1, 0.4), "empty": excess(0)})).label == "damaged"
    assert decide(replace(hurt, excess={"prompt": excess(0.6), "empty": excess(0)})).label == "conceals"


def test_damage_is_not_looked_for_beyond_the_last_retain_psi() -> None:
    late = np.full((12, 4), 0.95)
    late[:, 3] = 0
    assert decide(replace(FORGOTTEN, retain_presence=late)).label == "forgets"
    assert set(retain_falls(FORGOTTEN)) == {0, 0.3, 0.6}


def test_retain_fall_is_in_units_of_the_originals_rate() -> None:
    halved = replace(FORGOTTEN, retain_presence=np.full((12, 4), 0.475))
    mean, interval = retain_falls(halved)[0]
    assert mean == pytest.approx(0.5)
    assert interval.low < 0.5 < interval.high


def test_inconclusive_names_the_prompts_that_would_decide() -> None:
    verdict = decide(replace(FORGOTTEN, excess={"prompt": excess(0.05, 0.4), "empty": excess(0)}))
    assert verdict.label == "inconclusive"
    n = int(verdict.why.split("about ")[1].split()[0])
    # t · .4 / √n = .05, by the normal quantile 1.645
    assert n == pytest.approx((1.645 * excess(0.05, 0.4).std(ddof=1) / 0.05) ** 2, rel=0.05)


def test_inconclusive_when_presence_straddles_halfway() -> None:
    verdict = decide(replace(FORGOTTEN, p0=answers(0.5)))
    assert verdict.label == "inconclusive" and "halfway" in verdict.why


def test_a_presence_unlike_golds_is_not_forgetting() -> None:
    verdict = decide(replace(FORGOTTEN, p0=answers(0.25)))
    assert verdict.label == "inconclusive" and "differs from gold's" in verdict.why


def test_without_gold_only_intact_or_undetermined() -> None:
    alone = replace(FORGOTTEN, gold0=None, excess=None, gold_kind=None)
    assert decide(alone).label == "undetermined" and "no gold" in decide(alone).why
    assert decide(replace(alone, p0=answers(0.9))).label == "intact"


def test_too_few_prompts_or_nothing_to_unlearn() -> None:
    assert decide(replace(FORGOTTEN, p0=np.zeros((9, 4)))).label == "undetermined"
    assert "never shows" in decide(replace(FORGOTTEN, original=answers(0))).why
    assert decide(replace(FORGOTTEN, gold0=answers(1))).label == "undetermined"


def test_presence_interval_stays_a_rate() -> None:
    low, high = presence_interval(FORGOTTEN)
    assert low == 0 and 0 < high < 0.06


def test_seeds_and_rates_agree_below_forty_prompts() -> None:
    by_rate = replace(FORGOTTEN, p0=answers(0.1).mean(axis=1))
    np.testing.assert_allclose(presence_interval(by_rate), presence_interval(replace(FORGOTTEN, p0=answers(0.1))))
