"""The protocols in one table; the sequential tier of protocol ``standard`` has a procedure of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from unconceal.checkpoints.apply import AppliedCheckpoint
from unconceal.evaluation import paper, sequential_run, standard
from unconceal.evaluation.evaluation import Evaluation, ProcedureName
from unconceal.generate.plan import ShardPair
from unconceal.specs.record import Record
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task


class Protocol(NamedTuple):
    """The functions of a protocol.

    Attributes:
        shards: what to generate for a checkpoint's digest before it is measured.
        at_most: everything that may be generated for it.
        load: the models, as a generator.
        measure: from the models to a record.
        update_verdict: compare the record with golds; None if the protocol has no verdict.
    """

    shards: Callable[[Evaluation, Task, str], list[ShardPair]]
    at_most: Callable[[Evaluation, Task, str], list[ShardPair]]
    load: Callable[[Evaluation, Task, Submission], tuple[Any, AppliedCheckpoint]]
    measure: Callable[..., Record]
    update_verdict: Callable[[Evaluation, Task, Record], Record] | None


PROTOCOLS: Mapping[ProcedureName, Protocol] = {
    "standard": Protocol(standard.shards, standard.shards, standard.load, standard.measure, standard.update_verdict),
    "sequential": Protocol(sequential_run.shards, sequential_run.at_most, standard.load, sequential_run.measure, standard.update_verdict),
    "paper": Protocol(paper.shards, paper.shards, paper.load, paper.measure, None),
}
