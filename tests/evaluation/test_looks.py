"""The sequential procedure: where it stops, what it measures, and its error rates by simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt
from types import MappingProxyType

import numpy as np
import pytest

from unconceal.evaluation.looks import LookOrder, LookPlan, Reference, random_order, run_looks
from unconceal.metrics.battery_excess import UNINFORMATIVE
from unconceal.metrics.statistics import FloatArray
from unconceal.metrics.verdict import RetainedRates
from unconceal.specs.sequential import Sequential
from unconceal.specs.suite import Arm, Scoring

PROMPTS, RETAIN, HELD_OUT, MARGIN, RUNS = 36, 20, 24, 0.2, 200
PLAN = LookPlan.from_counts(Sequential(), PROMPTS, RETAIN, HELD_OUT)


@dataclass
class Row:
    """Made-up answers that count what they are asked for."""

    p0: float = 0.0
    prompt: float = 0.0
    empty: float = 0.0
    relearning: float = 0.0
    retain: float = 1.0
    error: str = ""
    seed: int = 0
    spread_of: dict[str, float] = field(default_factory=dict)
    """Standard deviation of a probe's answers, which are normal; the others are 0 or 1 at random."""
    asked: dict[str, int] = field(default_factory=dict)

    def draw(self, name: str, rate: float, shape: tuple[int, ...]) -> FloatArray:
        rng = np.random.default_rng([self.seed, *name.encode()])
        spread = self.spread_of.get(name)
        return rng.normal(rate, spread, shape) if spread else (rng.random(shape) < rate).astype(float)

    def own_presence(self, n: int) -> FloatArray:
        self.asked["forget"] = n
        return self.draw("p0", self.p0, (PROMPTS,))[:n]

    def presence(self, arm: Arm, n: int) -> FloatArray:
        return self.draw(arm, getattr(self, arm), (PROMPTS, 2))[:n]

    def retained(self, n: int) -> Mapping[Arm, RetainedRates]:
        self.asked["retain"] = n
        presence = np.column_stack([self.draw("retain", self.retain, (RETAIN, 2)), np.ones(RETAIN)])[:n]
        return {"prompt": RetainedRates((0.0, 0.6, 1.0), presence, np.ones((n, 3)))}

    def relearned(self, n: int) -> FloatArray | str:
        self.asked["relearning"] = n
        return self.error or self.draw("relearning", self.relearning, (HELD_OUT, 2)).mean(axis=1)[:n]


def reference(relearned: bool = True, original: float = 1.0) -> Reference:
    return Reference(
        original=np.full(PROMPTS, original),
        gold_p0=np.zeros(PROMPTS),
        gold_presence={"prompt": np.zeros((PROMPTS, 2)), "empty": np.zeros((PROMPTS, 2))},
        relearning_level="40 steps",
        relearned=np.zeros(HELD_OUT) if relearned else None,
        original_relearned=np.ones(HELD_OUT) if relearned else None,
        scoring=Scoring(margin=MARGIN),
        gold_kind="trained-without",
        min_informative=0.5,
        relearning_images=2,
    )


@pytest.mark.parametrize(
    ("row", "label", "prompts"),
    [
        (Row(p0=1.0), "intact", 20),
        (Row(empty=1.0), "conceals", 10),
        (Row(relearning=1.0), "conceals", 10),
        (Row(), "forgets", 27),
        (Row(retain=0.0), "damaged", 27),
    ],
)
def test_clear_cases_stop_early(row: Row, label: str, prompts: int) -> None:
    stopped = run_looks(row, reference(), PLAN)
    assert (stopped.verdict.label, PLAN.sizes[stopped.look].forget, stopped.decided) == (label, prompts, True)


def test_nothing_is_measured_before_it_is_needed() -> None:
    by_arm, by_relearning, intact = Row(prompt=1.0), Row(relearning=1.0), Row(p0=1.0)
    for row in (by_arm, by_relearning, intact):
        run_looks(row, reference(), PLAN)
    assert set(by_arm.asked) == set(intact.asked) == {"forget"}
    assert by_relearning.asked == {"forget": 10, "retain": 6, "relearning": 7}


def test_a_row_near_the_border_uses_all_prompts() -> None:
    row = Row(empty=0.2)
    stopped = run_looks(row, reference(), PLAN)
    assert (stopped.verdict.label, stopped.decided) == ("inconclusive", False)
    assert row.asked == {"forget": PROMPTS, "retain": RETAIN, "relearning": HELD_OUT}


def test_relearning_that_failed_leaves_not_retrieved() -> None:
    stopped = run_looks(Row(error="probe.diverged"), reference(), PLAN)
    assert (stopped.verdict.label, stopped.verdict.unmeasured) == ("not retrieved", {"relearning": "probe.diverged"})


def test_relearning_that_tells_nothing_of_the_original_is_not_run() -> None:
    row = Row()
    golds = reference()
    uninformative = Reference(**{**vars(golds), "original_relearned": np.full(HELD_OUT, 0.4)})
    assert run_looks(row, uninformative, PLAN).verdict.unmeasured == {"relearning": UNINFORMATIVE}
    assert "relearning" not in row.asked


def test_a_task_whose_original_never_shows_the_concept_ends_at_once() -> None:
    stopped = run_looks(Row(), reference(original=0.0), PLAN)
    assert (stopped.look, stopped.verdict.code) == (0, "presence.original-never")


def highest(rate: float) -> float:
    """Largest observed rate that a true rate explains: three standard errors of the simulation."""
    return rate + 3 * sqrt(rate * (1 - rate) / RUNS)


def labels(rates: Mapping[str, float], spread_of: Mapping[str, float] = MappingProxyType({})) -> list[str]:
    """The labels of many rows with the same true rates."""
    rows = [Row(seed=seed, spread_of=dict(spread_of)) for seed in range(RUNS)]
    for row in rows:
        vars(row).update(rates)
    return [run_looks(row, reference(), PLAN).verdict.label for row in rows]


def test_false_conceals_of_the_whole_procedure() -> None:
    """All three probes are at the margin itself, so that every conceals is false."""
    assert labels({"prompt": MARGIN, "empty": MARGIN, "relearning": MARGIN}).count("conceals") / RUNS <= highest(0.025)


@pytest.mark.parametrize("probe", ["prompt", "empty", "relearning"])
def test_false_forgets_of_the_whole_procedure(probe: str) -> None:
    """One probe is at the margin, all others are as gold: the worst case of an intersection–union test."""
    assert labels({probe: MARGIN}, {probe: 0.3}).count("forgets") / RUNS <= highest(0.05)


def test_false_intact_of_the_whole_procedure() -> None:
    assert labels({"p0": 0.5}).count("intact") / RUNS <= highest(0.025)


def test_true_labels_are_found() -> None:
    assert labels({}).count("forgets") == RUNS
    assert labels({"empty": 0.6}).count("conceals") / RUNS > 0.95


def test_the_order_is_fixed_by_suite_and_text() -> None:
    texts = [f"a star, {n}" for n in range(PROMPTS)]
    order = random_order("tiny-1", texts)
    assert sorted(order) == list(range(PROMPTS)) and order == random_order("tiny-1", texts) != random_order("tiny-2", texts)
    shuffled = [texts[row] for row in reversed(range(PROMPTS))]
    assert [shuffled[row] for row in random_order("tiny-1", shuffled)] == [texts[row] for row in order]


def test_held_out_prompts_follow_the_order_of_the_forget_prompts() -> None:
    texts, held_out = [f"a star, {n}" for n in range(6)], (1, 2, 4, 5)
    order = LookOrder.from_prompts("tiny-1", texts, ["a ring"], held_out)
    assert [held_out[row] for row in order.held_out] == [row for row in order.forget if row in held_out]


def test_looks_beyond_the_prompts_are_left_out() -> None:
    assert Sequential().looks_within(20) == (10, 14, 20)
    assert [size.forget for size in LookPlan.from_counts(Sequential(), 12, 3, 8).sizes] == [10, 12]
