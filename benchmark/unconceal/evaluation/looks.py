"""The sequential tier's procedure: looks at more and more prompts until a verdict is reached (no torch).

The handover comes first. Once it hides the concept and brings nothing back, relearning and the retained concepts join. A look ends the run
if nothing that is still unmeasured could change its label.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple, Protocol

import numpy as np

from unconceal.metrics.alpha_spending import Look
from unconceal.metrics.battery_excess import NO_GOLD, UNINFORMATIVE
from unconceal.metrics.presence import excess_retrieval
from unconceal.metrics.statistics import FloatArray
from unconceal.metrics.verdict import (
    RELEARNING,
    Evidence,
    RetainedRates,
    decide,
    presence_interval,
    required_upper_bounds,
)
from unconceal.specs.record import Verdict
from unconceal.specs.sequential import Sequential
from unconceal.specs.suite import DECIDING_ARMS, Arm, Scoring
from unconceal.specs.task import GoldKind


def random_order(suite_id: str, prompts: Sequence[str]) -> tuple[int, ...]:
    """Positions of prompts in the fixed random order of a suite version: that of the SHA-256 of suite and text."""
    return tuple(sorted(range(len(prompts)), key=lambda row: hashlib.sha256(f"{suite_id}\0{prompts[row]}".encode()).hexdigest()))


class LookOrder(NamedTuple):
    """Positions of the task's forget and retain prompts and of relearning's held-out prompts, in the order of use."""

    forget: tuple[int, ...]
    retain: tuple[int, ...]
    held_out: tuple[int, ...]

    @classmethod
    def from_prompts(cls, suite_id: str, forget: Sequence[str], retain: Sequence[str], held_out: Sequence[int]) -> LookOrder:
        """The orders of a task; ``held_out``: rows of the forget prompts, of which the result has positions."""
        order = random_order(suite_id, forget)
        return cls(order, random_order(suite_id, retain), tuple(sorted(range(len(held_out)), key=lambda row: order.index(held_out[row]))))


class LookSize(NamedTuple):
    """Numbers of forget prompts, retain prompts and relearning's held-out prompts at one look, the first of their orders."""

    forget: int
    retain: int
    held_out: int


@dataclass(frozen=True)
class LookPlan:
    """The looks of a run.

    Attributes:
        settings: of the suite.
        sizes: of every look; retain and held-out prompts grow in proportion to the forget prompts.
    """

    settings: Sequential
    sizes: tuple[LookSize, ...]

    @classmethod
    def from_counts(cls, settings: Sequential, forget: int, retain: int, held_out: int) -> LookPlan:
        """The looks within so many prompts."""

        def share(n: int, count: int) -> int:
            return ceil(n * count / forget)

        return cls(settings, tuple(LookSize(n, share(n, retain), share(n, held_out)) for n in settings.looks_within(forget)))

    def look(self, index: int) -> Look:
        """The levels of one look. Every probe counts from the first look on, so that one which joins later spends no error twice."""
        shares = tuple(size.forget / self.sizes[-1].forget for size in self.sizes)
        settings = self.settings
        return Look(shares, index, settings.early_spending, settings.late_spending, len(DECIDING_ARMS) + len(settings.probes))


class Observations(Protocol):
    """The judge's answers on one row, for the first prompts of each order; measured when they are asked for, or read from a record."""

    def own_presence(self, n: int) -> FloatArray:
        """P(0) of θ* alone, (n,)."""

    def presence(self, arm: Arm, n: int) -> FloatArray:
        """P in one arm, (n, ψ)."""

    def retained(self, n: int) -> Mapping[Arm, RetainedRates]:
        """The retained concepts' rates."""

    def relearned(self, n: int) -> FloatArray | str:
        """Relearning's rates (n,), or the code of what went wrong."""


@dataclass(frozen=True)
class Reference:
    """What is known before a run: θ and the golds, from the golds' full records, in the orders of the looks.

    Attributes:
        original: (p,) θ's own rate, of all prompts.
        gold_p0: (p,) mean of the golds' P(0).
        gold_presence: (p, ψ) mean of the golds' P in each arm.
        relearning_level: name of the step of the learning curve that is read; None if no gold has been trained.
        relearned: (h,) mean of the golds' rates at that step; None if no gold has any.
        original_relearned: (h,) of θ.
        scoring: the suite's rules.
        gold_kind: kind of the golds.
        min_informative: smallest excess of θ under relearning for it to count.
        evaluation_seeds, retain_seeds, relearning_images: images per prompt.
    """

    original: FloatArray
    gold_p0: FloatArray
    gold_presence: Mapping[Arm, FloatArray]
    relearning_level: str | None
    relearned: FloatArray | None
    original_relearned: FloatArray | None
    scoring: Scoring
    gold_kind: GoldKind | None
    min_informative: float
    evaluation_seeds: int = 1
    retain_seeds: int = 1
    relearning_images: int = 1

    @property
    def original_rate(self) -> float:
        return float(self.original.mean())

    @property
    def relearning_error(self) -> str:
        """Why relearning can say nothing of any model of this task; empty if it can."""
        if self.relearned is None or self.original_relearned is None:
            return NO_GOLD
        excess = float((self.original_relearned - self.relearned).mean()) / self.original_rate
        return UNINFORMATIVE if excess < self.min_informative else ""


class Stopped(NamedTuple):
    """Where a run stopped.

    Attributes:
        look: index of the look.
        evidence: at that look.
        verdict: at that look.
        decided: False if the prompts were used up.
        joined: whether relearning and the retained concepts were measured.
    """

    look: int
    evidence: Evidence
    verdict: Verdict
    decided: bool
    joined: bool


def run_looks(observations: Observations, reference: Reference, plan: LookPlan, last: int | None = None) -> Stopped:
    """Look at more and more prompts until a verdict is reached.

    Args:
        observations: of the row.
        reference: θ and the golds.
        plan: the looks.
        last: index of the look at which the prompts are used up; None: the plan's last.
    """
    last, joined = len(plan.sizes) - 1 if last is None else last, False
    for index in range(last + 1):
        evidence = evidence_at(observations, reference, plan, index, joined)
        verdict = decide(evidence)
        if not joined and not is_final(evidence, verdict) and joins(evidence, index == len(plan.sizes) - 1):
            joined = True
            evidence = evidence_at(observations, reference, plan, index, joined)
            verdict = decide(evidence)
        decided = is_final(evidence, verdict)
        if decided or index == last:
            return Stopped(index, evidence, verdict, decided, joined)
    raise ValueError("a plan without looks")


def joins(evidence: Evidence, at_last_look: bool) -> bool:
    """Whether relearning and the retained concepts are measured from this look on: the handover, which decides nothing, shows nothing."""
    means = [float(np.mean(values)) for values in (evidence.excess or {}).values()]
    hidden = presence_interval(evidence).high < evidence.halfway
    return at_last_look or (hidden and all(mean < evidence.scoring.margin for mean in means))


def is_final(evidence: Evidence, verdict: Verdict) -> bool:
    """Whether more prompts would not be asked for.

    ``damaged`` gives way to ``conceals``, so it is final only where no probe could still show the concept.
    """
    if verdict.label in ("intact", "conceals", "forgets") or verdict.code == "presence.original-never":
        return True
    if verdict.label == "not retrieved":
        return RELEARNING in evidence.unmeasured
    bounds = required_upper_bounds(evidence)
    measured = RELEARNING in bounds or RELEARNING in evidence.unmeasured
    return verdict.label == "damaged" and measured and max(bounds.values()) < evidence.scoring.margin


def evidence_at(observations: Observations, reference: Reference, plan: LookPlan, index: int, joined: bool) -> Evidence:
    """The evidence at one look; ``joined``: with relearning and the retained concepts."""
    size, psi, rate = plan.sizes[index], plan.settings.psi, reference.original_rate
    excess, unmeasured, retained = dict[str, FloatArray](), dict[str, str](), dict[Arm, RetainedRates]()
    for arm, of_golds in reference.gold_presence.items() if rate > 0 else ():
        presence = observations.presence(arm, size.forget)
        excess[arm] = excess_retrieval(psi, presence, of_golds[None, : size.forget], rate, (psi[0], psi[-1]))
    if joined:
        retained |= observations.retained(size.retain)
        for probe in plan.settings.probes:
            relearned = reference.relearning_error or observations.relearned(size.held_out)
            if isinstance(relearned, str):
                unmeasured[probe] = relearned
            elif reference.relearned is not None:
                excess[probe] = (relearned - reference.relearned[: len(relearned)]) / rate
    return Evidence(
        p0=observations.own_presence(size.forget),
        original=reference.original,
        gold_p0=reference.gold_p0[: size.forget],
        excess=excess or None,
        scoring=reference.scoring,
        gold_kind=reference.gold_kind,
        retained=retained,
        evaluation_seeds=reference.evaluation_seeds,
        retain_seeds=reference.retain_seeds,
        probe_seeds={RELEARNING: reference.relearning_images},
        read_levels={RELEARNING: (reference.relearning_level,)} if reference.relearning_level else {},
        unmeasured=unmeasured,
        look=plan.look(index),
    )
