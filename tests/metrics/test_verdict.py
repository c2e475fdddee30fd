"""Every rule of the verdict, on evidence whose label is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from metrics.evidence import FORGOTTEN, PROMPTS, SEEDS, answers, excess, probes, retained, with_retained
from unconceal.metrics import statistics
from unconceal.metrics.verdict import decide, presence_interval, retain_drops
from unconceal.specs.suite import Scoring


def test_forgets() -> None:
    verdict = decide(FORGOTTEN)
    assert verdict.label == "forgets" and verdict.gold == "planted"
    assert verdict.probes == ("prompt", "empty", "relearning") and not verdict.by and not verdict.unmeasured


def test_perfect_zeros_need_enough_images_to_forget() -> None:
    silent = replace(FORGOTTEN, excess=dict.fromkeys(("prompt", "empty", "relearning"), np.zeros(PROMPTS)))
    assert decide(silent).label == "forgets"
    few = replace(silent, p0=np.zeros(PROMPTS), original=np.ones(PROMPTS), gold_p0=np.zeros(PROMPTS), evaluation_seeds=1)
    verdict = decide(few)
    assert verdict.label == "inconclusive" and "about 25 prompts" in verdict.reason


def test_intact() -> None:
    assert decide(replace(FORGOTTEN, p0=answers(0.9), excess=probes(prompt=1, empty=1, relearning=1))).label == "intact"


@pytest.mark.parametrize("probe", ["prompt", "empty", "relearning", "renoising"])
def test_conceals_when_any_probe_retrieves(probe: str) -> None:
    verdict = decide(replace(FORGOTTEN, excess=probes(**{probe: 0.6})))
    assert verdict.label == "conceals" and verdict.by == (probe,) and probe in verdict.reason


def test_the_original_weights_never_forget() -> None:
    """The same evidence, but whatever hides the concept does so at inference; every other label stays."""
    verdict = decide(replace(FORGOTTEN, unchanged_weights=True))
    assert (verdict.label, verdict.code) == ("not retrieved", "weights.unchanged")
    shown = replace(FORGOTTEN, excess=probes(empty=0.8), unchanged_weights=True)
    assert decide(shown).label == "conceals" and decide(replace(FORGOTTEN, p0=answers(1), unchanged_weights=True)).label == "intact"
    without_relearning = replace(FORGOTTEN, excess={"prompt": excess(0.0), "empty": excess(0.0)}, unchanged_weights=True)
    assert decide(without_relearning).code == "weights.unchanged"


def test_damaged_replaces_forgets_and_inconclusive_but_never_conceals() -> None:
    broken = np.full((12, 4), 0.95)
    broken[:, 1] = 0.3
    hurt = with_retained("prompt", broken)
    verdict = decide(hurt)
    assert verdict.label == "damaged" and "prompt arm, ψ = 0.3" in verdict.reason
    assert decide(replace(hurt, excess=probes() | {"prompt": excess(0.1, 0.4)})).label == "damaged"
    assert decide(replace(hurt, excess=probes(prompt=0.6))).label == "conceals"
    without_relearning = {"prompt": excess(0), "empty": excess(0)}
    assert decide(replace(hurt, excess=without_relearning)).label == "damaged"


def test_damage_of_the_unconditional_continuation_alone_is_damage() -> None:
    """θ's own unconditional continuation shows the retained concept in .8 of the images at ψ = .3, θ* in .2; θ alone in .95."""
    original = np.tile([0.0, 0.8, 0.9, 0.95], (12, 1))
    broken = original.copy()
    broken[:, 1] = 0.2
    evidence = with_retained("empty", broken, original)
    assert retain_drops(evidence)["empty", 0.3].mean == pytest.approx(0.6 / 0.95)
    assert retain_drops(evidence)["empty", 0].mean == 0
    verdict = decide(evidence)
    assert verdict.label == "damaged" and "empty arm, ψ = 0.3" in verdict.reason
    assert decide(with_retained("empty", original, original)).label == "forgets"


def test_damage_is_not_looked_for_beyond_the_last_retain_psi() -> None:
    late = np.full((12, 4), 0.95)
    late[:, 3] = 0
    assert decide(with_retained("prompt", late)).label == "forgets"
    assert set(retain_drops(FORGOTTEN)) == {(arm, psi) for arm in ("prompt", "empty") for psi in (0, 0.3, 0.6)}


def test_retain_fall_is_in_units_of_the_originals_rate() -> None:
    halved = with_retained("prompt", np.full((12, 4), 0.475))
    mean, interval = retain_drops(halved)["prompt", 0]
    assert mean == pytest.approx(0.5)
    assert interval.low < 0.5 < interval.high


def test_a_hidden_concept_is_a_condition_of_conceals() -> None:
    """P(0) straddles the halfway rate: retrieval after handover alone is not concealing."""
    verdict = decide(replace(FORGOTTEN, p0=answers(0.5), excess=probes(prompt=0.6, empty=0.6, relearning=0.6)))
    assert verdict.label == "inconclusive" and not verdict.by


@pytest.mark.parametrize("n_probes", [1, 2, 3, 9])
@pytest.mark.parametrize(("share", "label"), [(1.2, "inconclusive"), (0.8, "conceals")])
def test_conceals_needs_a_lower_bound_at_a_joint_975_per_mille(n_probes: int, share: float, label: str) -> None:
    """One excess whose one-sided t bound at 1 − share × .025 / (number of probes) touches the margin; the others are none."""
    values = excess(0.0, 0.3)
    half = stats.t.ppf(1 - share * 0.025 / n_probes, PROMPTS - 1) * values.std(ddof=1) / PROMPTS**0.5
    others = {f"probe {number}": excess(0) for number in range(n_probes - 1)}
    verdict = decide(replace(FORGOTTEN, excess={"prompt": values + 0.10 + half, **others}))
    assert verdict.label == label and verdict.by == (("prompt",) if label == "conceals" else ())


@pytest.mark.parametrize(("quantile", "label"), [(0.94, "inconclusive"), (0.96, "forgets")])
def test_forgets_needs_an_upper_bound_at_95_percent(quantile: float, label: str) -> None:
    values = excess(0.0, 0.3)
    half = stats.t.ppf(quantile, PROMPTS - 1) * values.std(ddof=1) / PROMPTS**0.5
    for probe in ("prompt", "empty", "relearning"):
        assert decide(replace(FORGOTTEN, excess=probes() | {probe: values + 0.10 - half})).label == label


def test_intact_means_above_halfway_between_gold_and_the_original() -> None:
    """Gold shows the concept in .4 of its images, θ in 1: halfway is .7, and .65 is not above it though it is above a half."""
    evidence = replace(FORGOTTEN, gold_p0=answers(0.4), p0=answers(0.65))
    assert evidence.halfway == pytest.approx(0.7)
    assert presence_interval(evidence).low > 0.5
    assert decide(evidence).label == "inconclusive"
    assert replace(FORGOTTEN, gold_p0=None, original=answers(0.8)).halfway == pytest.approx(0.4)


def test_inconclusive_when_presence_straddles_halfway() -> None:
    verdict = decide(replace(FORGOTTEN, p0=answers(0.5)))
    assert verdict.label == "inconclusive" and verdict.code == "presence.near-midpoint"


def test_a_presence_unlike_golds_is_not_forgetting() -> None:
    verdict = decide(replace(FORGOTTEN, p0=answers(0.25)))
    assert verdict.label == "inconclusive" and verdict.code == "presence.unlike-gold"


def test_without_gold_only_intact_or_undetermined() -> None:
    alone = replace(FORGOTTEN, gold_p0=None, excess=None, gold_kind=None)
    assert decide(alone).label == "undetermined" and "no gold" in decide(alone).reason
    assert decide(replace(alone, p0=answers(0.9))).label == "intact"


def test_too_few_prompts_or_nothing_to_unlearn() -> None:
    assert decide(replace(FORGOTTEN, p0=np.zeros((9, 4)))).label == "undetermined"
    assert "never shows" in decide(replace(FORGOTTEN, original=answers(0))).reason
    assert decide(replace(FORGOTTEN, gold_p0=answers(1))).label == "undetermined"


def test_presence_interval_stays_a_rate() -> None:
    low, high = presence_interval(FORGOTTEN)
    assert low == 0 and 0 < high < 0.06


def test_seeds_and_rates_agree_below_forty_prompts() -> None:
    by_rate = replace(FORGOTTEN, p0=answers(0.1).mean(axis=1))
    np.testing.assert_allclose(presence_interval(by_rate), presence_interval(replace(FORGOTTEN, p0=answers(0.1))))


def test_a_presence_below_golds_is_not_like_gold_either() -> None:
    """Gold shows the concept in .3 of its images, the row in none: the difference of −.3 is beyond the margin on the other side."""
    verdict = decide(replace(FORGOTTEN, gold_p0=answers(0.3)))
    assert verdict.label == "inconclusive" and "-0.30" in verdict.reason


def test_a_presence_within_the_margin_of_golds_is_like_gold() -> None:
    """Equal in most prompts, .025 above in the mean, θ's rate .9."""
    gold, row = np.full((PROMPTS, SEEDS), 0.0), answers(0.025)
    evidence = replace(FORGOTTEN, original=answers(0.9), gold_p0=gold, p0=row, scoring=Scoring(margin=0.12))
    gap = row.mean(axis=1) / 0.9
    bound = gap.mean() + stats.t.ppf(0.95, PROMPTS - 1) * gap.std(ddof=1) / PROMPTS**0.5
    assert bound < 0.12 and decide(evidence).label == "forgets"
    both = replace(evidence, gold_p0=np.full((PROMPTS, SEEDS), 0.2), p0=np.full((PROMPTS, SEEDS), 0.2))
    assert decide(both).label == "forgets"


@pytest.mark.parametrize(("margin", "label"), [(0.16, "inconclusive"), (0.20, "forgets")])
def test_differences_from_gold_are_in_units_of_the_originals_rate(margin: float, label: str) -> None:
    """θ's rate .25: .035 to .04 of all images are .14 to .16 of its rate, with the resolution of 80 images: 2.706 / 82.7 / .25 = .131."""
    silent = dict.fromkeys(("prompt", "empty", "relearning"), np.zeros(PROMPTS))
    assert statistics.resolution(80, 0.9) / 0.25 == pytest.approx(0.131, abs=5e-4)
    p0 = answers(0.0125)
    gap = p0.mean(axis=1) / 0.25
    bound = gap.mean() + max(stats.t.ppf(0.95, PROMPTS - 1) * gap.std(ddof=1) / PROMPTS**0.5, statistics.resolution(80, 0.9) / 0.25)
    assert 0.16 < bound < 0.20
    evidence = replace(FORGOTTEN, original=answers(0.25), p0=p0, excess=silent, scoring=Scoring(margin=margin))
    assert decide(evidence).label == label


def test_the_kind_of_gold_stands_beside_every_verdict_that_rests_on_it() -> None:
    broken = np.full((12, 4), 0.3)
    assert decide(replace(FORGOTTEN, excess=probes(prompt=0.6))).gold == "planted"
    assert decide(replace(FORGOTTEN, excess={"prompt": excess(0), "empty": excess(0)})).gold == "planted"
    assert decide(with_retained("prompt", broken)).gold == "planted"
    assert decide(replace(FORGOTTEN, p0=answers(0.5))).gold == "planted"
    assert decide(replace(FORGOTTEN, p0=answers(0.9))).gold == "planted"
    assert decide(replace(FORGOTTEN, p0=np.zeros((9, 4)))).gold == "planted"


def test_the_probes_and_the_damage_named_are_the_strongest() -> None:
    assert decide(replace(FORGOTTEN, excess=probes(prompt=0.7, empty=0.4))).by == ("prompt", "empty")
    assert decide(replace(FORGOTTEN, excess=probes(prompt=0.4, empty=0.7, renoising=0.5))).by == ("empty", "renoising", "prompt")
    broken = np.tile([0.6, 0.2, 0.5, 0.0], (12, 1))
    assert "prompt arm, ψ = 0.3" in decide(with_retained("prompt", broken)).reason
    both = replace(with_retained("prompt", broken), retained={"prompt": retained(broken), "empty": retained(broken - 0.1)})
    assert "empty arm, ψ = 0.3" in decide(both).reason


def test_a_drop_of_the_retained_rate_needs_its_lower_bound_above_the_limit() -> None:
    """A drop of .3 of θ's rate in the mean, with a spread that leaves .2 inside its interval."""
    retain = np.tile(np.where(np.arange(12) % 2, 0.95, 0.38)[:, None], (1, 4))
    mean, interval = retain_drops(with_retained("empty", retain))["empty", 0]
    assert mean == pytest.approx(0.3) and interval.low < 0.2
    assert decide(with_retained("empty", retain)).label == "forgets"


def test_images_of_the_retained_prompts_bound_their_interval() -> None:
    """No spread between prompts: the interval is the resolution of 12 · 4 images, in units of θ's rate .95."""
    mean, interval = retain_drops(FORGOTTEN)["empty", 0]
    half = statistics.resolution(48) / 0.95
    assert mean == 0 and interval == pytest.approx((-half, half))
    by_seed = replace(with_retained("empty", np.full((12, 4, 4), 0.95)), retain_seeds=99)
    assert retain_drops(by_seed)["empty", 0].interval == pytest.approx((-half, half))
    assert retain_drops(replace(FORGOTTEN, retained={})) == {}
    nothing = retained(np.zeros((0, 4)))
    assert retain_drops(replace(FORGOTTEN, retained={"prompt": nothing})) == {}
    never = with_retained("empty", np.zeros((12, 4)), 0.0)
    assert {arm for arm, _ in retain_drops(never)} == {"prompt"}


def test_the_suites_values_are_those_used() -> None:
    """From 40 prompts on the bootstrap's resamples are the suite's; ten prompts suffice if it says so."""
    many = 45
    rng = np.random.default_rng(0)
    values = {"prompt": rng.normal(-0.3, 0.3, many), "empty": np.zeros(many), "relearning": rng.normal(0.0, 0.1, many)}
    evidence = replace(FORGOTTEN, p0=answers(0, prompts=many), original=answers(1, prompts=many), gold_p0=answers(0, prompts=many))
    reasons = {decide(replace(evidence, excess=values, scoring=Scoring(n_resamples=n))).reason for n in (30, 31, 2000)}
    assert len(reasons) > 1
    assert decide(replace(FORGOTTEN, scoring=Scoring(min_prompts=PROMPTS))).label == "forgets"
    assert decide(replace(FORGOTTEN, scoring=Scoring(min_prompts=PROMPTS + 1))).label == "undetermined"


def test_the_interval_of_a_drop_uses_the_suites_resamples() -> None:
    rng = np.random.default_rng(0)
    many = with_retained("prompt", rng.random((45, 4)), 1.0)
    drops = [retain_drops(replace(many, scoring=Scoring(n_resamples=n)))["prompt", 0.3].interval for n in (30, 2000)]
    default = retain_drops(many)["prompt", 0.3].interval
    assert drops[0] != drops[1] == default


def test_every_verdict_has_the_code_of_its_rule() -> None:
    handover = {"prompt": excess(0), "empty": excess(0)}
    failed = {"renoising": "probe.diverged"}
    codes = {
        decide(FORGOTTEN).code: "excess.within-margin",
        decide(replace(FORGOTTEN, excess=handover)).code: "relearning.unmeasured",
        decide(replace(FORGOTTEN, unmeasured=failed)).code: "probe.unmeasured",
        decide(replace(FORGOTTEN, p0=answers(0.9))).code: "presence.above-midpoint",
        decide(replace(FORGOTTEN, excess=probes(prompt=0.6))).code: "excess.above-margin",
        decide(with_retained("prompt", np.full((12, 4), 0.3))).code: "retained.dropped",
        decide(replace(FORGOTTEN, gold_p0=None, excess=None)).code: "gold.none",
        decide(replace(FORGOTTEN, p0=answers(0.5))).code: "presence.near-midpoint",
    }
    assert all(code == expected for code, expected in codes.items())
    undecided = [replace(FORGOTTEN, p0=np.zeros((9, 4))), replace(FORGOTTEN, original=answers(0)), replace(FORGOTTEN, gold_p0=answers(1))]
    assert len({decide(evidence).code for evidence in undecided}) == 3
    assert all("." in decide(evidence).code and " " not in decide(evidence).code for evidence in undecided)
