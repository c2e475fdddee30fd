"""The number of prompts that an inconclusive verdict names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from metrics.evidence import FORGOTTEN, PROMPTS, SEEDS, answers, excess, probes
from unconceal.metrics.verdict import Evidence, decide, presence_interval
from unconceal.specs.record import read_record
from unconceal.specs.suite import Scoring

RESULTS = Path(__file__).resolve().parents[2] / "results"


def prompts_named(evidence: Evidence) -> int:
    """The number of prompts that an inconclusive verdict names."""
    verdict = decide(evidence)
    assert verdict.label == "inconclusive"
    return int(verdict.reason.split("about ")[1].split()[0])


def test_inconclusive_names_the_prompts_that_would_decide() -> None:
    """t · sd / √n = .05, by the normal quantile 1.645."""
    values = excess(0.05, 0.4)
    n = prompts_named(replace(FORGOTTEN, excess=probes() | {"prompt": values}))
    assert n == pytest.approx((1.645 * values.std(ddof=1) / 0.05) ** 2, rel=0.05)


def test_an_excess_above_the_margin_names_the_prompts_that_would_prove_it() -> None:
    """At a joint error of 2.5 % over three probes the strictest of Holm's bounds is that at 1 − .025 / 3."""
    values = excess(0.15, 0.4)
    n = prompts_named(replace(FORGOTTEN, excess=probes() | {"prompt": values}))
    z = stats.norm.ppf(1 - 0.025 / 3)
    assert n == pytest.approx((z * values.std(ddof=1) / 0.05) ** 2, rel=0.05)
    alone = prompts_named(replace(FORGOTTEN, excess={"prompt": values}))
    assert alone == pytest.approx((1.96 * values.std(ddof=1) / 0.05) ** 2, rel=0.05)


def test_the_prompts_that_would_decide_are_those_of_the_rules_own_interval() -> None:
    """art-style/striped, esd-u: P(0) = 24 of 36 prompts with one image each, interval from .495, halfway .5: 36 do not decide."""
    record = read_record(RESULTS / "miniature-2/art-style/striped/esd-u.standard-full.json")
    curve = next(curve for curve in record.curves if (curve.name, curve.split, curve.arm) == ("presence", "forget", "prompt"))
    p0 = np.asarray(curve.per_prompt)[:, 0]
    n = len(p0)
    evidence = replace(FORGOTTEN, p0=p0, original=np.ones(n), gold_p0=np.zeros(n), evaluation_seeds=1)
    evidence = replace(evidence, excess=dict.fromkeys(("prompt", "empty", "relearning"), np.zeros(n)))
    assert n == 36 and presence_interval(evidence).low < evidence.halfway
    needed = prompts_named(evidence)
    assert n < needed <= 45

    def low(prompts: int) -> float:
        """Lower end of Wilson's interval, with the images that the spread between prompts is worth."""
        rate, z, t = p0.mean(), stats.norm.ppf(0.975), stats.t.ppf(0.975, prompts - 1)
        n_effective = prompts * rate * (1 - rate) / p0.var(ddof=1) * (z / t) ** 2
        centre, root = rate + z**2 / (2 * n_effective), np.sqrt(rate * (1 - rate) / n_effective + z**2 / (4 * n_effective**2))
        return float((centre - z * root) / (1 + z**2 / n_effective))

    assert low(36) == pytest.approx(presence_interval(evidence).low)
    assert low(needed - 1) <= 0.5 < low(needed)


@pytest.mark.parametrize("prompts", [12, 36, 39, 40, 60])
def test_more_prompts_than_today_are_named(prompts: int) -> None:
    """Whatever stays open: P(0) about halfway, an excess about the margin, P(0) about gold's. A bootstrap decides from 40 prompts on."""
    rng = np.random.default_rng(11)
    zeros, has_name = np.zeros(prompts), 0
    for _ in range(40):
        p0 = (rng.random(prompts) < rng.choice([0.02, 0.05, 0.5, 0.6])).astype(float)
        excess_by_arm = {"prompt": rng.normal(rng.choice([0, 0.05, 0.2]), 0.4, prompts), "empty": zeros}
        evidence = replace(
            FORGOTTEN,
            p0=p0,
            original=np.ones(prompts),
            gold_p0=zeros,
            excess=excess_by_arm,
            evaluation_seeds=1,
            scoring=Scoring(n_resamples=200),
        )
        verdict = decide(evidence)
        if verdict.label == "inconclusive" and "about " in verdict.reason:
            has_name += 1
            assert prompts_named(evidence) > prompts
    assert has_name > 10


def test_no_number_of_prompts_decides_at_the_margin() -> None:
    """The mean of one arm lies at the margin: neither side can be proved."""
    verdict = decide(replace(FORGOTTEN, excess=probes() | {"prompt": np.full(PROMPTS, 0.1)}))
    assert (verdict.label, verdict.code) == ("inconclusive", "excess.near-margin") and "about" not in verdict.reason


def test_the_prompts_that_would_show_likeness_to_gold_are_named() -> None:
    """P(0) differs from gold's by .05 in the mean: t · sd / √n < .05, as well as the excess within its margin."""
    gold, row = np.zeros((PROMPTS, 1)), np.zeros((PROMPTS, 1))
    row[:1] = 1
    silent = dict.fromkeys(("prompt", "empty", "relearning"), np.zeros(PROMPTS))
    evidence = replace(FORGOTTEN, p0=row, gold_p0=gold, original=np.ones((PROMPTS, 1)), excess=silent)
    n = prompts_named(evidence)
    assert n == pytest.approx((1.645 * row.std(ddof=1) / 0.05) ** 2, rel=0.05)
    halved = replace(evidence, original=np.tile([[1.0], [0.5]], (10, 1)))
    unit = 1 / 0.75
    expected = (1.645 * row.std(ddof=1) * unit / (0.1 - 0.05 * unit)) ** 2
    assert prompts_named(halved) == pytest.approx(expected, rel=0.05)


def test_the_prompts_named_account_for_images_and_unit() -> None:
    """No spread: only the resolution decides, z² / (n k + z²) / rate < margin − mean, with k images per prompt and θ's rate .5."""
    flat = {"prompt": np.full(PROMPTS, 0.08), "empty": np.zeros(PROMPTS)}
    evidence = replace(FORGOTTEN, original=answers(0.5), excess=flat)
    z2 = stats.norm.ppf(0.95) ** 2
    expected = (z2 / (0.02 * 0.5) - z2) / SEEDS
    assert prompts_named(evidence) == np.ceil(expected)
    relearnt = replace(evidence, excess=flat | {"prompt": np.zeros(PROMPTS), "relearning": np.full(PROMPTS, 0.08)})
    assert prompts_named(replace(relearnt, probe_seeds={"relearning": 2})) == np.ceil(expected * SEEDS / 2)
