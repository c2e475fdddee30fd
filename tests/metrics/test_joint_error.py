"""The joint error of a verdict over several probes, by simulation and against Holm's method on p-values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy import stats

from unconceal.metrics.statistics import FloatArray
from unconceal.metrics.verdict import Evidence, decide, probes_above_margin
from unconceal.specs.suite import Scoring

PROMPTS, N_PROBES, RUNS, MARGIN = 24, 5, 600, 0.2
ALPHA = 0.025
HANDOVER = ("prompt", "empty")
NAMES = (*HANDOVER, "relearning", "renoising", "weight-edits")
HIDDEN = Evidence(
    p0=np.zeros(PROMPTS),
    original=np.ones(PROMPTS),
    gold_p0=np.zeros(PROMPTS),
    excess={},
    scoring=Scoring(margin=MARGIN),
    gold_kind="trained-without",
    evaluation_seeds=1000,
)
"""A model that never shows the concept by itself, as its golds; images enough for the spread between prompts alone to count."""


def highest(rate: float) -> float:
    """Largest observed rate that a true rate explains: three standard errors of the simulation."""
    return rate + 3 * sqrt(rate * (1 - rate) / RUNS)


def decided(excess: Mapping[str, FloatArray], seeds: int = 1000) -> str:
    return decide(replace(HIDDEN, excess=excess, evaluation_seeds=seeds)).label


def holm(p_values: Mapping[str, float]) -> set[str]:
    """Holm's step-down as in the textbook: the i-th smallest of m p-values is compared with α / (m − i), the first failure ends it."""
    rejected = set[str]()
    for i, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        if p_values[name] >= ALPHA / (len(p_values) - i):
            break
        rejected.add(name)
    return rejected


def test_probes_above_the_margin_are_those_of_holms_method() -> None:
    """p-values of one-sided t tests against the margin, by scipy; some draws need the second step."""
    rng, sizes, stepped = np.random.default_rng(5), list[int](), 0
    for _ in range(300):
        means = rng.choice([0.0, MARGIN, MARGIN + 0.1, MARGIN + 0.14], N_PROBES)
        excess = {name: rng.normal(mean, 0.25, PROMPTS) for name, mean in zip(NAMES, means, strict=True)}
        p_values = {name: float(stats.ttest_1samp(values, MARGIN, alternative="greater").pvalue) for name, values in excess.items()}
        expected = holm(p_values)
        above = probes_above_margin(replace(HIDDEN, excess=excess))
        assert set(above) == expected
        assert list(above) == sorted(expected, key=lambda name: -excess[name].mean())
        sizes.append(len(expected))
        stepped += any(p_values[name] >= ALPHA / N_PROBES for name in expected)
    assert {0, 1, 2, 3} <= set(sizes) and stepped > 10


@pytest.mark.parametrize("shared", [0.0, 0.9])
def test_false_conceals_are_at_most_25_per_mille_over_all_probes(shared: float) -> None:
    """Every probe's true excess is the margin itself; ``shared``: share of the variance that prompts have in common."""
    rng, false = np.random.default_rng(6), 0
    for _ in range(RUNS):
        common, single = rng.normal(0, 1, PROMPTS), rng.normal(0, 1, (N_PROBES, PROMPTS))
        spread = 0.3 * (shared**0.5 * common + (1 - shared) ** 0.5 * single)
        false += decided(dict(zip(NAMES, MARGIN + spread, strict=True))) == "conceals"
    # Each probe alone at 2.5 % would be wrong in 12 % of these runs without a common part.
    assert false / RUNS <= highest(ALPHA)


def test_false_conceals_of_images() -> None:
    """Two images per prompt and probe, each showing the concept at a prompt's own rate, .2 in the mean; golds never show it."""
    rng, false = np.random.default_rng(7), 0
    for _ in range(RUNS):
        rates = rng.beta(1, 4, PROMPTS)
        excess = {name: rng.binomial(2, rates) / 2 for name in NAMES}
        false += decided(excess, seeds=2) == "conceals"
    assert false / RUNS <= highest(ALPHA)


@pytest.mark.parametrize("at_margin", [*HANDOVER, "relearning"])
def test_false_forgets_are_at_most_5_percent(at_margin: str) -> None:
    """The least favourable case of an intersection–union test: one required probe at the margin, the others certainly below."""
    rng, false = np.random.default_rng(8), 0
    for _ in range(RUNS):
        excess = {name: rng.normal(0, 0.01, PROMPTS) for name in (*HANDOVER, "relearning")}
        excess[at_margin] = rng.normal(MARGIN, 0.3, PROMPTS)
        false += decided(excess) == "forgets"
    assert 0.02 < false / RUNS <= highest(0.05)


def test_false_forgets_are_rarer_where_all_probes_are_at_the_margin() -> None:
    rng, false = np.random.default_rng(9), 0
    for _ in range(RUNS):
        excess = {name: rng.normal(MARGIN, 0.3, PROMPTS) for name in (*HANDOVER, "relearning")}
        false += decided(excess) == "forgets"
    assert false / RUNS <= 0.01


def quiet(*names: str) -> dict[str, FloatArray]:
    values: FloatArray = np.random.default_rng(1).normal(0, 0.05, PROMPTS)
    return dict.fromkeys(names, values)


def test_without_relearning_the_most_that_is_said_is_not_retrieved() -> None:
    evidence = replace(HIDDEN, excess=quiet(*HANDOVER, "renoising"))
    verdict = decide(evidence)
    assert (verdict.label, verdict.code, verdict.gold) == ("not retrieved", "relearning.unmeasured", "trained-without")
    assert verdict.probes == (*HANDOVER, "renoising") and verdict.unmeasured == {}
    assert decide(replace(evidence, excess=quiet(*HANDOVER, "relearning"))).label == "forgets"


@pytest.mark.parametrize("code", ["probe.uninformative", "probe.not-run", "probe.diverged", "probe.unsupported", "probe.no-gold"])
def test_relearning_that_tells_nothing_is_listed_and_never_forgets(code: str) -> None:
    verdict = decide(replace(HIDDEN, excess=quiet(*HANDOVER, "renoising"), unmeasured={"relearning": code}))
    assert verdict.label == "not retrieved" and verdict.unmeasured == {"relearning": code} and "relearning" not in verdict.probes


@pytest.mark.parametrize(
    ("code", "label"),
    [("probe.uninformative", "forgets"), ("probe.diverged", "not retrieved"), ("probe.not-run", "not retrieved")],
)
def test_another_probe_that_failed_leaves_the_verdict_with_less(code: str, label: str) -> None:
    """A probe that tells nothing of any model is the task's limit; one that failed is not passed over in silence."""
    verdict = decide(replace(HIDDEN, excess=quiet(*HANDOVER, "relearning"), unmeasured={"renoising": code}))
    assert verdict.label == label and verdict.unmeasured == {"renoising": code}
    assert ("renoising" in verdict.reason) == (label == "not retrieved")


def test_what_is_unmeasured_hides_nothing_that_another_probe_shows() -> None:
    excess = quiet(*HANDOVER) | {"renoising": np.full(PROMPTS, 0.6)}
    verdict = decide(replace(HIDDEN, excess=excess, unmeasured={"relearning": "probe.diverged"}))
    assert verdict.label == "conceals" and verdict.by == ("renoising",) and verdict.unmeasured == {"relearning": "probe.diverged"}


def test_a_probe_beside_the_required_ones_stands_in_the_way_of_forgetting() -> None:
    """Its mean is above the margin, but not significantly."""
    rng = np.random.default_rng(2)
    values = rng.normal(0, 0.8, PROMPTS)
    unsure = {**quiet(*HANDOVER, "relearning"), "renoising": values - values.mean() + MARGIN + 0.05}
    verdict = decide(replace(HIDDEN, excess=unsure))
    assert (verdict.label, verdict.code) == ("inconclusive", "excess.near-margin")
    assert decide(replace(HIDDEN, excess=unsure | {"renoising": values - values.mean() + MARGIN - 0.05})).label == "forgets"


def test_the_prompts_named_are_forget_prompts() -> None:
    """Relearning generates images for 16 of 24 prompts: by the normal quantile 1.645, t · sd / √n = .05, and 24 / 16 as many."""
    rng = np.random.default_rng(4)
    values = rng.normal(0, 0.6, 16)
    excess = quiet(*HANDOVER) | {"relearning": values - values.mean() + MARGIN - 0.05}
    verdict = decide(replace(HIDDEN, excess=excess))
    assert verdict.label == "inconclusive"
    n_prompts = int(verdict.reason.split("about ")[1].split()[0])
    assert n_prompts == pytest.approx(24 / 16 * (1.645 * values.std(ddof=1) / 0.05) ** 2, rel=0.03)


def test_images_behind_a_probe_are_its_own() -> None:
    """Flat values: the bound is the resolution of the probe's images, z² / (n s + z²), not of the handover's."""
    flat = quiet(*HANDOVER) | {"relearning": np.full(PROMPTS, 0.15)}
    z2 = stats.norm.ppf(0.95) ** 2
    for seeds in (1, 2, 3):
        bound = 0.15 + z2 / (PROMPTS * seeds + z2)
        verdict = decide(replace(HIDDEN, excess=flat, probe_seeds={"relearning": seeds}))
        assert verdict.label == ("forgets" if bound < MARGIN else "inconclusive"), (seeds, bound)
    assert 0.15 + z2 / (PROMPTS + z2) > MARGIN > 0.15 + z2 / (PROMPTS * 3 + z2)
