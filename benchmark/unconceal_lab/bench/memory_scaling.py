"""Does memory grow? The same evaluation with more and more pictures, and with more and more submissions, each in a process of its own."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from unconceal.estimate.image_spec import pictures_of
from unconceal.evaluation.run import run
from unconceal.evaluation.standard import plan_of
from unconceal.hub.local_weights import locate
from unconceal.specs.loader import all_submissions
from unconceal_lab.bench.bench_sample import Sample
from unconceal_lab.bench.measured_process import apart

TIMES = (1, 10, 100)
FEW_STEPS, FEW_PROMPTS = 2, 8
"""So that a hundred times as many pictures take minutes; prompts enough to fill a cell at the least."""


class Grown(BaseModel):
    """``of``: what was multiplied; ``times``; pictures kept in the store; the most memory of the process, in MB."""

    of: str
    times: int
    pictures: int
    resident: float
    card: float


def memory(sample: Sample) -> list[Grown]:
    """Seeds of every block of the lite tier ×1, ×10, ×100; as many submissions as there are of ×1, ×10, ×100."""
    small = replace(sample, tier="lite", prompts=FEW_PROMPTS, steps=FEW_STEPS)
    many = here(sample)
    submissions = [_grown("submissions", times, replace(small, submissions=many[:times])) for times in TIMES if times <= len(many)]
    pictures = [_grown("pictures", times, replace(small, seeds=times, submissions=sample.submissions[:1])) for times in TIMES]
    return [*pictures, *submissions]


def here(sample: Sample) -> tuple[str, ...]:
    """Submissions of the task whose weights lie on this machine."""
    of = [one for one in all_submissions(sample.root) if one.suite == sample.suite and sample.task in one.checkpoints]
    places = {one.name: locate(checkpoint, sample.root) for one in of if (checkpoint := one.checkpoints[sample.task]).repo is None}
    return tuple(name for name, place in places.items() if place is None or place.exists())


def _grown(of: str, times: int, sample: Sample) -> Grown:
    peak = apart(evaluated, sample)
    return Grown(of=of, times=times, pictures=peak.found, resident=peak.resident, card=peak.card)


def evaluated(sample: Sample) -> int:
    """Pictures of a whole evaluation, from nothing to a record."""
    with tempfile.TemporaryDirectory() as folder:
        evaluation, pairs = sample.evaluation(Path(folder)), sample.pairs()
        run(evaluation, pairs)
        plans = [plan_of(evaluation, task, evaluation.weights_digest(task, submission)) for task, submission in pairs]
        return sum(map(pictures_of, {shard for plan in plans for shard in plan.shards}))
