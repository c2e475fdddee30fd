"""The verdict of the sequential tier from records alone: a stopped run can be repeated look by look at any time (no torch)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unconceal.errors import CheckFailed
from unconceal.evaluation.curves import ORIGINAL_PRESENCE, rate_score
from unconceal.evaluation.looks import LookOrder, LookPlan, Reference, Stopped, run_looks
from unconceal.evaluation.verdict_scores import excess_scores, presence_curve, prompt_rates, retain_drop_score
from unconceal.metrics.battery_excess import NOT_RUN, measured, read_levels
from unconceal.metrics.statistics import FloatArray
from unconceal.metrics.verdict import RELEARNING, RetainedRates
from unconceal.specs.record import Curve, ProbeMeasurement, Record, Score
from unconceal.specs.sequential import Sequential
from unconceal.specs.suite import DECIDING_ARMS, REFERENCE_TIER, VERDICT, Arm, Suite
from unconceal.specs.task import Task

NOTE = "stopped early: not comparable with other tiers"


def look_plan(suite: Suite, task: Task) -> tuple[LookPlan, LookOrder]:
    """The looks of a task, and the order of its prompts.

    Raises:
        CheckFailed: the suite has no sequential tier for this task.
    """
    tier, settings = suite.tier(REFERENCE_TIER), suite.sequential
    assert settings is not None, "the run was refused before"
    forget = [prompt.text for prompt in task.forget[: tier.n_prompts]]
    retain = [prompt.text for prompt in task.retain[: tier.n_retain_prompts]]
    if len(forget) < settings.looks[0]:
        value, consequence = f"{len(forget)} forget prompts of {task.id}", f"are fewer than the first look's {settings.looks[0]}"
        raise CheckFailed("sequential.too-few-prompts", value, consequence, "write more prompts, or use --tier full")
    missing = [psi for psi in settings.psi if psi not in tier.psi]
    if missing or settings.retain_psi not in tier.retain_psi:
        value, consequence = f"ψ = {', '.join(f'{psi:g}' for psi in missing or [settings.retain_psi])}", "is no ratio of tier full's golds"
        raise CheckFailed("sequential.other-grid", value, consequence, "choose ratios of the full tier's grid in suite.yaml, sequential")
    order = LookOrder.from_prompts(suite.id, forget, retain, suite.battery.relearning.held_out_rows(len(forget)))
    return LookPlan.from_counts(settings, len(forget), len(retain), len(order.held_out)), order


def gather_reference(golds: Sequence[Record], suite: Suite, task: Task, order: LookOrder) -> Reference:
    """θ and the golds at the sequential tier's ratios, from full records.

    Raises:
        CheckFailed: there is no gold.
    """
    tier, settings = suite.tier(VERDICT), suite.sequential
    assert settings is not None
    if not golds:
        value, consequence = f"{task.id} has no gold record of tier {REFERENCE_TIER}", "so nothing tells forgetting from concealing"
        remedy = f"run its golds ({', '.join(task.golds) or 'none are listed in the task'}) with --tier {REFERENCE_TIER} first"
        raise CheckFailed("sequential.no-gold", value, consequence, remedy)
    level = relearning_level(golds, suite)
    answers = [RecordedAnswers.from_full(gold, settings, order, level) for gold in golds]
    relearned = [answer.relearning for answer in answers if isinstance(answer.relearning, np.ndarray)]
    originals = [answer.original_relearning for answer in answers if answer.original_relearning is not None]
    return Reference(
        original=answers[0].original,
        gold_p0=np.mean([answer.p0 for answer in answers], axis=0),
        gold_presence={arm: np.mean([answer.arms[arm] for answer in answers], axis=0) for arm in answers[0].arms},
        relearning_level=level,
        relearned=np.mean(relearned, axis=0) if relearned else None,
        original_relearned=np.mean(originals, axis=0) if originals else None,
        scoring=suite.scores,
        gold_kind=task.gold_kind,
        min_informative=suite.battery.min_informative,
        evaluation_seeds=tier.seeds.evaluation,
        retain_seeds=tier.seeds.retain,
        relearning_images=suite.battery.relearning.images_per_prompt,
    )


def relearning_level(golds: Sequence[Record], suite: Suite) -> str | None:
    """The step of relearning's curve that is read for a row against these golds; None if no gold has one."""
    curves = measured((gold.battery for gold in golds), RELEARNING)
    rate = float(prompt_rates(presence_curve(golds[0], "prompt"))[:, -1].mean())
    return read_levels(RELEARNING, curves, rate, suite.scores.margin)[0] if curves and rate > 0 else None


@dataclass(frozen=True)
class RecordedAnswers:
    """The judge's answers in a record, in the order of the looks; see :class:`unconceal.evaluation.looks.Observations`.

    Attributes:
        original: (p,) θ's rates; ``p0``: θ*'s at ψ = 0; ``arms``: (p, ψ) in each arm.
        retain: the retained concepts' rates.
        relearning: (h,) rates, or the code of why there are none; ``original_relearning``: of θ.
    """

    original: FloatArray
    p0: FloatArray
    arms: dict[Arm, FloatArray]
    retain: dict[Arm, RetainedRates]
    relearning: FloatArray | str
    original_relearning: FloatArray | None

    @classmethod
    def from_full(cls, record: Record, settings: Sequential, order: LookOrder, level: str | None) -> RecordedAnswers:
        """The answers of a full record, whose rows are in the task's order; ``level``: the step of relearning that is read."""
        return cls._read(record, settings, order.forget, order.retain, order.held_out, level)

    @classmethod
    def from_stopped(cls, record: Record, settings: Sequential) -> RecordedAnswers:
        """The answers of a stopped record, whose rows are in the order of the looks."""
        stopping = record.stopping
        assert stopping is not None
        held_out, relearned = range(stopping.held_out_prompts or 0), record.battery.get(RELEARNING)
        level = relearned.levels[0] if relearned else None
        return cls._read(record, settings, range(len(stopping.prompts)), range(len(stopping.retain_prompts)), held_out, level)

    @classmethod
    def _read(
        cls,
        record: Record,
        settings: Sequential,
        forget: Sequence[int],
        retain: Sequence[int],
        held_out: Sequence[int],
        level: str | None,
    ) -> RecordedAnswers:
        prompt = presence_curve(record, "prompt")
        arms: dict[Arm, FloatArray] = {arm: _columns(presence_curve(record, arm), settings.psi)[list(forget)] for arm in DECIDING_ARMS}
        ends = _columns(prompt, (0.0, 1.0))[list(forget)]
        relearning, original = _relearning(record.battery.get(RELEARNING), held_out, level)
        return cls(ends[:, 1], ends[:, 0], arms, _retained(record, settings.retain_psi, retain), relearning, original)

    def own_presence(self, n: int) -> FloatArray:
        return self.p0[:n]

    def presence(self, arm: Arm, n: int) -> FloatArray:
        return self.arms[arm][:n]

    def retained(self, n: int) -> dict[Arm, RetainedRates]:
        return {arm: RetainedRates(psi, presence[:n], original[:n]) for arm, (psi, presence, original) in self.retain.items()}

    def relearned(self, n: int) -> FloatArray | str:
        return self.relearning if isinstance(self.relearning, str) else self.relearning[:n]


def _columns(curve: Curve, psi: Sequence[float]) -> FloatArray:
    """Rates per prompt at some ratios, (p, ψ)."""
    return prompt_rates(curve)[:, [curve.psi.index(value) for value in psi]]


def _retained(record: Record, psi: float, rows: Sequence[int]) -> dict[Arm, RetainedRates]:
    """The retained concepts' rates at ψ = 0 and ``psi``; unconditionally, at ``psi`` alone."""
    if not rows:
        return {}
    prompt = _columns(presence_curve(record, "prompt", "retain"), (0.0, psi, 1.0))[list(rows)]
    rates: dict[Arm, RetainedRates] = {"prompt": RetainedRates((0.0, psi, 1.0), prompt, np.broadcast_to(prompt[:, -1:], prompt.shape))}
    # Records of older suite versions have no unconditional arm on retain prompts.
    if any((curve.name, curve.split) == (ORIGINAL_PRESENCE, "retain") for curve in record.curves):
        empty = _columns(presence_curve(record, "empty", "retain"), (psi, 1.0))[list(rows)]
        original = _columns(presence_curve(record, "empty", "retain", ORIGINAL_PRESENCE), (psi, 1.0))[list(rows)]
        rates["empty"] = RetainedRates((psi, 1.0), empty, original)
    return rates


def _relearning(measurement: ProbeMeasurement | None, rows: Sequence[int], level: str | None) -> tuple[FloatArray | str, FloatArray | None]:
    """Rates of the record's model and of θ after the steps that are read."""
    if measurement is None or measurement.error or level is None:
        return (NOT_RUN if measurement is None else measurement.error or NOT_RUN), None
    column, selected = measurement.levels.index(level), list(rows)
    rates, original = (np.asarray(values, np.float64)[selected, column] for values in (measurement.per_prompt, measurement.original))
    return rates, original


def compute_stopped_verdict(record: Record, golds: Sequence[Record], suite: Suite, task: Task) -> Record:
    """A stopped record with its verdict and scores.

    Args:
        record: of the sequential tier.
        golds: full records of the task's golds; the record's own submission is left out.
        suite: of the record.
        task: of the record.

    Raises:
        ValueError: the record stopped elsewhere than its own answers say.
    """
    plan, order = look_plan(suite, task)
    others = [gold for gold in golds if gold.submission != record.submission]
    stopping = record.stopping
    assert stopping is not None
    if stopping.prompts != order.forget[: len(stopping.prompts)] or stopping.look > len(plan.sizes):
        raise ValueError("the prompts are not the first of the suite's order")
    reference = gather_reference(others, suite, task, order)
    answers = RecordedAnswers.from_stopped(record, plan.settings)
    stopped = run_looks(answers, reference, plan, stopping.look - 1)
    if stopped.look != stopping.look - 1 or stopped.decided != (stopping.reason == "decided"):
        raise ValueError(f"its own answers end the run at look {stopped.look + 1}, not {stopping.look}")
    controls = {gold.submission: gold.measured_digest for gold in others}
    update = {"scores": stopped_scores(stopped, suite), "verdict": stopped.verdict, "controls": controls, "digest": ""}
    return record.model_copy(update=update).sealed()


def stopped_scores(stopped: Stopped, suite: Suite) -> dict[str, Score]:
    """Presence and excess at the last look, each with a note that it is not comparable."""
    evidence = stopped.evidence
    scores = {"presence": rate_score(evidence.p0, evidence.n_images)}
    if evidence.excess:
        scores |= excess_scores(evidence, suite)
    if evidence.retained:
        scores |= retain_drop_score(evidence)
    return {name: score.model_copy(update={"note": f"{score.note}; {NOTE}" if score.note else NOTE}) for name, score in scores.items()}
