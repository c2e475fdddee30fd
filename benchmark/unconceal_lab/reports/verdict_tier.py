"""Replays the sequential tier on full records: would it have given the same verdict, and after how many forward passes?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from unconceal.battery import PROBES
from unconceal.battery.probe import ProbeScope
from unconceal.evaluation.curves import PRESENCE
from unconceal.evaluation.live_answers import plan_look_shards
from unconceal.evaluation.looks import LookOrder, LookPlan, Stopped, run_looks
from unconceal.evaluation.stopped_verdict import RecordedAnswers, gather_reference, look_plan
from unconceal.generate.generator import count_forward_passes
from unconceal.generate.identity import ComputeConfig
from unconceal.generate.plan import Plan, build_plan
from unconceal.metrics.crs import mean_over_psi
from unconceal.metrics.verdict import RELEARNING
from unconceal.results.result_tables import load_records
from unconceal.specs.record import Label, Record
from unconceal.specs.submission import is_gold_name
from unconceal.specs.suite import DECIDING_ARMS, REFERENCE_TIER, Suite
from unconceal.specs.task import Task
from unconceal_lab.study.study_rows import Row, by_task

COMPUTE = ComputeConfig("cpu", "float32", 1, 128, 16)
OPEN: tuple[Label, ...] = ("inconclusive", "undetermined")


class Replay(NamedTuple):
    """One full record and what the sequential tier would have said.

    Attributes:
        full_label: of the full record; a record without relearning says *not retrieved* where the suite's older rules said *forgets*.
        label: of the sequential tier.
        stopped: where.
        prompts: forget prompts used.
        passes, full_passes: θ*'s forward passes of both tiers, relearning's included whether or not the record has it.
    """

    record: Record
    full_label: Label
    label: Label
    stopped: Stopped
    prompts: int
    passes: int
    full_passes: int

    @property
    def is_equal(self) -> bool:
        return self.label == self.full_label

    @property
    def is_wrong(self) -> bool:
        """Two definite labels that differ; an open one is a missed answer, not a wrong one."""
        return not self.is_equal and self.label not in OPEN and self.full_label not in OPEN


def replay_version(results: Path, suite: Suite, version: int, tasks: Mapping[str, Task]) -> list[Replay]:
    """Replays of every full record of a suite version with today's number of prompts, whose task has at least two golds."""
    n_prompts = suite.tier(REFERENCE_TIER).n_prompts
    records = [row.record for row in load_records([results], suite.name, version, REFERENCE_TIER)]
    records = [record for record in records if any(curve.n == n_prompts for curve in record.curves if curve.name == PRESENCE)]
    replays: list[Replay] = []
    for task_id in sorted({record.task for record in records}):
        rows = [record for record in records if record.task == task_id and record.protocol == "standard"]
        golds = [record for record in rows if is_gold_name(record.submission)]
        if len(golds) >= 2 and task_id in tasks:
            has_relearning = any(RELEARNING in gold.battery for gold in golds)
            replays += replay_task(rows, golds, suite if has_relearning else without_probes(suite), suite, tasks[task_id])
    return replays


def without_probes(suite: Suite) -> Suite:
    """The suite as it was before the battery."""
    assert suite.sequential is not None
    return suite.model_copy(update={"sequential": suite.sequential.model_copy(update={"probes": ()})})


def replay_task(rows: Sequence[Record], golds: Sequence[Record], rules: Suite, suite: Suite, task: Task) -> Iterator[Replay]:
    """Replays of one task; ``rules``: the suite that decides, ``suite``: today's, which says what it costs."""
    plan, order = look_plan(rules, task)
    for record in rows:
        others = [gold for gold in golds if gold.submission != record.submission]
        reference = gather_reference(others, rules, task, order)
        assert rules.sequential is not None
        stopped = run_looks(RecordedAnswers.from_full(record, rules.sequential, order, reference.relearning_level), reference, plan)
        label = stopped.verdict.label
        if not rules.tier("verdict").probes and label == "not retrieved":
            label = "forgets"
        size = plan.sizes[stopped.look]
        passes = sequential_passes(suite, task, plan, order, stopped)
        yield Replay(record, record.verdict.label, label, stopped, size.forget, passes, full_passes(suite, task))


def sequential_passes(suite: Suite, task: Task, plan: LookPlan, order: LookOrder, stopped: Stopped) -> int:
    """θ*'s forward passes up to the last look."""
    full, size, settings = plan_of(suite, task), plan.sizes[stopped.look], suite.sequential
    assert settings is not None
    blocks = [(full.evaluation, order.forget[: size.forget])] + ([(full.retain, order.retain[: size.retain])] if stopped.joined else [])
    total = sum(count_forward_passes(shard) for block, rows in blocks for shard in plan_look_shards(block, rows, settings))
    if stopped.joined and RELEARNING in settings.probes:
        rules, scope = suite.battery.relearning, ProbeScope.from_specs(suite, suite.tier(REFERENCE_TIER), task)
        total += rules.steps[-1] * rules.batch_size + size.held_out * rules.images_per_prompt * scope.guided_passes
    return total


def full_passes(suite: Suite, task: Task) -> int:
    """θ*'s forward passes of tier full: the handover's images of all blocks, and the probes."""
    tier = suite.tier(REFERENCE_TIER)
    scope = ProbeScope.from_specs(suite, tier, task)
    handovers = sum(count_forward_passes(shard) for shard in plan_of(suite, task).shards if not shard.is_originals)
    return handovers + sum(PROBES[probe].plan(scope).cost.forward_passes for probe in tier.probes)


def plan_of(suite: Suite, task: Task) -> Plan:
    """The full tier's plan of any submission."""
    return build_plan(suite, suite.tier(REFERENCE_TIER), task, suite.base.digest, "?", COMPUTE)


class RatioChoice(NamedTuple):
    """How well the mean over few ratios tells the excess over the whole window, on the study's models.

    Attributes:
        passes: per forget prompt, ψ = 0 included.
        rmse: of the excess.
        crossed: share of models and arms on the other side of the margin.
    """

    psi: tuple[float, ...]
    passes: int
    rmse: float
    crossed: float


def ratio_choices(rows: Iterable[Row], suite: Suite, sizes: Sequence[int] = (1, 2, 3)) -> list[RatioChoice]:
    """Every choice of few ratios within the window, the most accurate first among those of one size."""
    tier, (lower, upper) = suite.tier(REFERENCE_TIER), suite.scores.excess_psi
    candidates = [psi for psi in tier.psi if lower <= psi <= upper]
    differences = np.array(list(excess_curves(rows, tier.psi)))
    whole = mean_over_psi(tier.psi, differences, upper, lower)
    steps = suite.sampler.num_inference_steps
    choices = []
    for size in sizes:
        for psi in combinations(candidates, size):
            columns = differences[:, [tier.psi.index(value) for value in psi]]
            mean = columns[:, 0] if size == 1 else mean_over_psi(psi, columns, psi[-1], psi[0])
            crossed = float(np.mean((mean > suite.scores.margin) != (whole > suite.scores.margin)))
            passes = 2 * steps + 3 * sum(steps - round(steps * value) for value in psi)
            choices.append(RatioChoice(psi, passes, float(np.sqrt(np.mean((mean - whole) ** 2))), crossed))
    return sorted(choices, key=lambda choice: (len(choice.psi), choice.rmse))


def excess_curves(rows: Iterable[Row], psi: tuple[float, ...]) -> Iterator[np.ndarray]:
    """(θ* − golds) / θ's rate over ψ, of every model and arm of the study that was measured at the suite's own settings."""
    measured = [row for row in rows if row.psi == psi and not row.setting and row.prompt and row.empty]
    for task_rows in by_task(measured).values():
        golds = [row for row in task_rows if row.kind == "gold"]
        for row in task_rows:
            others = [gold for gold in golds if gold is not row]
            rate = float(np.mean([rates[-1] for rates in row.prompt]))
            if not others or not rate:
                continue
            for arm in DECIDING_ARMS:
                of_golds = np.mean([np.mean(getattr(gold, arm), axis=0) for gold in others], axis=0)
                yield (np.mean(getattr(row, arm), axis=0) - of_golds) / rate
