"""Scores anew from stored pictures: after a judge's code, an interval's rule or a metric has changed, and to check what was reported."""

from __future__ import annotations

from collections.abc import Sequence

from unconceal.evaluation import standard
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.run import golds_first, settled
from unconceal.specs.record import CheckpointRecord, Record
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task


def rescore(evaluation: Evaluation, pairs: Sequence[tuple[Task, Submission]]) -> list[Record]:
    """Every record of the pairs made anew, golds first, then read against the golds; probed neighbours and attacks are kept as they are.

    Raises:
        CheckFailed: the store lacks pictures.
    """
    found = []
    for task, submission in golds_first(pairs):
        before = evaluation.stored(task, submission)
        checkpoint = before.checkpoint if before else loaded(evaluation, task, submission)
        record = standard.score_stored(evaluation, task, submission, checkpoint)
        if before is not None and before.probed is not None:
            record = standard.rewritten(evaluation, task, record.model_copy(update={"probed": before.probed, "attacks": before.attacks}))
        found.append((task, record))
    return [settled(evaluation, task, record) for task, record in found]


def loaded(evaluation: Evaluation, task: Task, submission: Submission) -> CheckpointRecord:
    """What the checkpoint is, from its weights: it is applied and verified, and never asked for a picture."""
    return evaluation.checkpoint_record(task, submission, evaluation.models(task, submission)[2])
