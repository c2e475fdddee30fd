"""One evaluation after the other, by the protocol asked for: measure, probe, settle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from unconceal.checkpoints.apply import AppliedCheckpoint
from unconceal.evaluation import paper, standard
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.machine import give_back_memory, is_out_of_memory, usable_cores
from unconceal.generate.generator import Generator
from unconceal.generate.plan import Pair
from unconceal.paths import DataRoot
from unconceal.probing.run_probes import probed
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.paper_protocol import ProtocolName
from unconceal.specs.record import UNSPENT, Record, Timing
from unconceal.specs.submission import Submission
from unconceal.specs.suite import TierName
from unconceal.specs.task import Task

Result = TypeVar("Result")


class Protocol(NamedTuple):
    """What a protocol generates and with what, how it measures, and how its records are read against golds (None: they are not)."""

    pairs: Callable[[Evaluation, Task, str], list[Pair]]
    worker: Callable[[Evaluation, Task, Submission], tuple[Generator, AppliedCheckpoint]]
    original: Callable[[Evaluation], Generator]
    measure: Callable[[Evaluation, Task, Submission, Timing], Record]
    settled: Callable[[Evaluation, Task, Record], Record] | None


PROTOCOLS: Mapping[ProtocolName, Protocol] = {
    "standard": Protocol(standard.pairs, standard.worker, standard.original, standard.measure, standard.settled),
    "paper": Protocol(paper.pairs, paper.worker, paper.original, paper.measure, None),
}


def run(evaluation: Evaluation, pairs: Sequence[tuple[Task, Submission]], probes: bool = False) -> list[Record]:
    """Measure every (task, submission), golds first; with ``probes`` neighbours and attacks, too; then read each against the golds."""
    found = [(task, submission, measured(evaluation, task, submission)) for task, submission in golds_first(pairs)]
    if probes:
        found = [(task, submission, with_probes(evaluation, task, submission, record)) for task, submission, record in found]
    return [settled(evaluation, task, record) for task, _, record in found]


def golds_first(pairs: Iterable[tuple[Task, Submission]]) -> list[tuple[Task, Submission]]:
    """In the order in which they are measured."""
    return sorted(pairs, key=lambda pair: not pair[1].is_gold)


def measured(evaluation: Evaluation, task: Task, submission: Submission, spent: Timing = UNSPENT) -> Record:
    """The record without what needs golds: the stored one, or a new measurement. ``spent``: what pictures made before for it cost."""
    found = evaluation.stored(task, submission)
    if found is None:
        return within_memory(evaluation, lambda: PROTOCOLS[evaluation.protocol].measure(evaluation, task, submission, spent))
    evaluation.progress.say(f"{submission.name} on {task.id}: record found, not measured again")
    return found


def with_probes(evaluation: Evaluation, task: Task, submission: Submission, record: Record) -> Record:
    """The record with what neighbours and attacks showed."""
    return within_memory(evaluation, lambda: probed(evaluation, task, submission, record))


def settled(evaluation: Evaluation, task: Task, record: Record) -> Record:
    """The record read against the golds there are, where the protocol reads golds."""
    settle = PROTOCOLS[evaluation.protocol].settled
    return settle(evaluation, task, record) if settle else record


def within_memory(evaluation: Evaluation, work: Callable[[], Result]) -> Result:
    """The result of ``work``, tried again with half as many rows at once as long as memory does not suffice."""
    while True:
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        evaluation.halve_batch()
        give_back_memory()


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
