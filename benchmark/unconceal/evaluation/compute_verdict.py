"""The part of a record that depends on golds: excess retrieval, ψ* and the verdict (no torch).

It reads curves of records only, so verdicts can be computed again at any time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unconceal.evaluation.curves import ORIGINAL_PRESENCE, rate_score
from unconceal.evaluation.stopped_verdict import compute_stopped_verdict
from unconceal.evaluation.verdict_scores import damage_by_concept, excess_scores, presence_curve, prompt_rates, retain_drop_score
from unconceal.metrics.battery_excess import BatteryExcess, battery_excess
from unconceal.metrics.presence import excess_retrieval, psi_star
from unconceal.metrics.statistics import FloatArray
from unconceal.metrics.verdict import Evidence, RetainedRates, decide
from unconceal.probing.attacks import with_gold_rates
from unconceal.specs.record import Record, Score
from unconceal.specs.submission import ORIGINAL_FORMAT
from unconceal.specs.suite import DECIDING_ARMS, Arm, Suite, Tier
from unconceal.specs.task import Task


def compute_verdict(record: Record, golds: Sequence[Record], suite: Suite, task: Task) -> Record:
    """The record with its verdict and all scores that need golds.

    Args:
        record: to complete.
        golds: records of the task's golds; the record itself is left out if it is one (leave-one-out).
        suite: of the record.
        task: of the record.

    Returns:
        A sealed copy of the record.
    """
    if record.stopping is not None:
        return compute_stopped_verdict(record, golds, suite, task)
    tier = suite.tier(record.tier)
    others = [gold for gold in golds if gold.submission != record.submission]
    evidence = gather_evidence(record, others, suite, task, tier)
    scores = {**record.scores, **arm_scores(record, evidence, suite, tier), **retain_drop_score(evidence)}
    if evidence.excess:
        scores |= excess_scores(evidence, suite)
        assert evidence.gold_p0 is not None
        scores["presence.gold"] = rate_score(evidence.gold_p0, evidence.n_images * len(others))
    damage = damage_by_concept(record, task, tier.seeds.retain)
    controls = {gold.submission: gold.measured_digest for gold in others}
    update = {"scores": scores, "damage": damage, "verdict": decide(evidence), "controls": controls, "digest": ""}
    if record.probe_results:
        update["probe_results"] = with_gold_rates(record.probe_results, [gold.probe_results for gold in others if gold.probe_results])
    return record.model_copy(update=update).sealed()


def gather_evidence(record: Record, golds: Sequence[Record], suite: Suite, task: Task, tier: Tier) -> Evidence:
    """The evidence of a verdict."""
    prompt = presence_curve(record, "prompt")
    original = prompt_rates(prompt)[:, -1]
    excess, by_probe = dict[str, FloatArray](), BatteryExcess({}, {}, {})
    if golds and original.mean() > 0:
        for arm in deciding_arms(suite):
            gold_rates = np.stack([prompt_rates(presence_curve(gold, arm)) for gold in golds])
            excess[arm] = excess_retrieval(
                prompt.psi, prompt_rates(presence_curve(record, arm)), gold_rates, float(original.mean()), suite.scores.excess_psi
            )
        batteries, min_informative = [gold.battery for gold in golds], suite.battery.min_informative
        by_probe = battery_excess(record.battery, batteries, tier.probes, float(original.mean()), min_informative, suite.scores.margin)
        excess |= by_probe.excess
    return Evidence(
        p0=prompt_rates(prompt)[:, 0],
        original=original,
        gold_p0=np.mean([prompt_rates(presence_curve(gold, "prompt"))[:, 0] for gold in golds], axis=0) if golds else None,
        excess=excess or None,
        scoring=suite.scores,
        gold_kind=task.gold_kind if golds else None,
        retained={arm: retained_rates(record, arm) for arm in deciding_arms(suite)},
        evaluation_seeds=tier.seeds.evaluation,
        retain_seeds=tier.seeds.retain,
        probe_seeds={name: measurement.images_per_prompt for name, measurement in record.battery.items()},
        read_levels=by_probe.levels,
        unmeasured=by_probe.unmeasured,
        # Of the format, not of the rule: a record that lost its rule is still one of θ's weights.
        unchanged_weights=record.checkpoint.format == ORIGINAL_FORMAT,
    )


def deciding_arms(suite: Suite) -> tuple[Arm, ...]:
    """The suite's arms without the diagnostic one."""
    return tuple(arm for arm in suite.arms if arm in DECIDING_ARMS)


def retained_rates(record: Record, arm: Arm) -> RetainedRates:
    """The retained concepts' rates in one arm. Under its own prompt θ* continues θ's image, so θ's rate is that at ψ = 1 for every ψ."""
    curve = presence_curve(record, arm, "retain")
    presence = prompt_rates(curve)
    if arm == "prompt":
        return RetainedRates(curve.psi, presence, np.broadcast_to(presence[:, -1:], presence.shape))
    return RetainedRates(curve.psi, presence, prompt_rates(presence_curve(record, arm, "retain", ORIGINAL_PRESENCE)))


def arm_scores(record: Record, evidence: Evidence, suite: Suite, tier: Tier) -> dict[str, Score]:
    """P(0), θ's own rate and ψ* per arm."""
    images, rules = evidence.n_images, suite.scores
    scores = {"presence": rate_score(evidence.p0, images), "presence.original": rate_score(evidence.original, images)}
    for arm in suite.arms:
        curve = presence_curve(record, arm)
        estimate = psi_star(curve.psi, prompt_rates(curve), evidence.original_rate, rules.max_psi_star, n_resamples=rules.n_resamples)
        note = "" if estimate.value is not None else f"never reached up to ψ = {rules.max_psi_star:g}"
        scores[f"psi_star.{arm}"] = Score(value=estimate.value, low=estimate.low, high=estimate.high, n=curve.n, note=note)
    return scores
