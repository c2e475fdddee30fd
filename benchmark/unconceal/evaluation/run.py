"""One evaluation after the other, by the protocol asked for: measure, probe, settle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from unconceal.evaluation import paper, standard
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.forecast import canvas_of, needs
from unconceal.evaluation.machine import usable_cores
from unconceal.evaluation.probe_run import probed
from unconceal.generate.identity import Shard
from unconceal.paths import DataRoot
from unconceal.specs.paper import ProtocolName
from unconceal.specs.reading import load_submission, load_suite, load_task
from unconceal.specs.record import Record
from unconceal.specs.submission import Submission
from unconceal.specs.suite import TierName
from unconceal.specs.task import Task


class Protocol(NamedTuple):
    """What a protocol generates, how it measures, and how its records are read against golds (None: they are not)."""

    shards: Callable[[Evaluation, Task, Submission], list[Shard]]
    measure: Callable[[Evaluation, Task, Submission], Record]
    settled: Callable[[Evaluation, Task, Record], Record] | None


PROTOCOLS: Mapping[ProtocolName, Protocol] = {
    "standard": Protocol(standard.shards, standard.measure, standard.settled),
    "paper": Protocol(paper.shards, paper.measure, None),
}


def run(evaluation: Evaluation, pairs: Sequence[tuple[Task, Submission]], probes: bool = False) -> list[Record]:
    """Measure every (task, submission), golds first; with ``probes`` neighbours and attacks, too; then read each against the golds."""
    settled = PROTOCOLS[evaluation.protocol].settled
    ordered = sorted(pairs, key=lambda pair: not pair[1].is_gold)
    found = [(task, submission, measured(evaluation, task, submission)) for task, submission in ordered]
    if probes:
        found = [(task, submission, probed(evaluation, task, submission, record)) for task, submission, record in found]
    return [settled(evaluation, task, record) if settled else record for task, _, record in found]


def measured(evaluation: Evaluation, task: Task, submission: Submission) -> Record:
    """The record without what needs golds: the stored one, or a new measurement."""
    found = evaluation.stored(task, submission)
    if found is None:
        return PROTOCOLS[evaluation.protocol].measure(evaluation, task, submission)
    evaluation.progress.say(f"{submission.name} on {task.id}: record found, not measured again")
    return found


def forecast(evaluation: Evaluation, task: Task, submission: Submission, probes: Sequence[Shard] = ()) -> dict[str, object]:
    """What evaluating would take, ``probes`` included: shards stored and left; pictures, rows, megabytes and minutes left."""
    shards = [*PROTOCOLS[evaluation.protocol].shards(evaluation, task, submission), *probes]
    left = [shard for shard in shards if shard not in evaluation.store]
    return {
        "task": task.id, "submission": submission.name, "tier": evaluation.tier_name,
        "shards": len(shards), "stored": len(shards) - len(left), **needs(left, canvas_of(evaluation.suite, evaluation.root)),
        "record": "found" if evaluation.stored(task, submission) else "to be made",
    }  # fmt: skip


def evaluate(task: str, submission: str, tier: TierName = "full", root: Path | None = None, threads: int | None = None) -> Record:
    """Evaluate one submission on one task and return its record; finished work is found again and not repeated.

    Args:
        task: its id, ``object/star``.
        submission: its name, ``esd-x``.
        tier: ``lite`` or ``full``.
        root: the folder that holds tasks/, submissions/ and results/; see :class:`unconceal.paths.DataRoot`.
        threads: processor threads; all cores by default. Part of the identity of what is generated.

    Raises:
        UnconcealError: a spec, a checkpoint or the environment is at fault; one line says what to do.
    """
    data = DataRoot.find(root)
    loaded = load_task(data, task)
    evaluation = Evaluation(load_suite(data, loaded.suite), data, tier, threads=threads or usable_cores())
    return run(evaluation, [(loaded, load_submission(data, f"{loaded.suite}/{submission}"))])[0]
