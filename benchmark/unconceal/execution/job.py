"""What a worker is asked, what it answers, and what it has to know beforehand: plain values that travel between processes (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Literal

from unconceal.generate.identity import Shard
from unconceal.generate.plan import Pair
from unconceal.paths import DataRoot
from unconceal.specs.paper_protocol import ProtocolName
from unconceal.specs.record import UNSPENT, Record, Timing
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Suite, TierName
from unconceal.specs.task import Task

if TYPE_CHECKING:
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.progress import Progress


@dataclass(frozen=True)
class EvaluationConfig:
    """How every job of a run is done: what an evaluation is made of."""

    suite: Suite
    root: DataRoot
    tier_name: TierName
    device: str
    dtype: str
    threads: int
    shard: int
    protocol: ProtocolName
    options: tuple[str, ...]
    offload: bool

    @classmethod
    def of(cls, one: Evaluation) -> EvaluationConfig:
        return cls(**{each.name: getattr(one, each.name) for each in fields(cls)})

    def evaluation(self, progress: Progress) -> Evaluation:
        """In the process that is to work."""
        from unconceal.evaluation.evaluation import Evaluation

        return Evaluation(**vars(self), progress=progress)


@dataclass(frozen=True)
class Job:
    """One piece of work on one (task, submission).

    ``cell``: make a shard, of θ where the pair has no other, and with θ's stored trajectories else; ``measure``: judge what is stored and
    write the record; ``probe``: neighbours and attacks of a record. ``batch``, ``batch_asked``: the layout's; ``spent``: what the pictures
    of a measurement cost; ``wait``: for another run that makes the same; ``tries``: workers that were lost over it.
    """

    kind: Literal["cell", "measure", "probe"]
    number: int
    task: Task
    submission: Submission
    batch: int
    batch_asked: int | None = None
    pair: Pair | None = None
    spent: Timing = UNSPENT
    record: Record | None = None
    wait: bool = False
    tries: int = 0

    @property
    def shard(self) -> Shard:
        """The one that a cell makes."""
        assert self.pair is not None
        return self.pair[1] or self.pair[0]

    @property
    def model(self) -> tuple[str, str] | None:
        """What has to be loaded: None for θ alone."""
        if self.kind == "cell" and self.shard.checkpoint is None:
            return None
        return self.task.id, self.submission.name

    def again(self) -> Job:
        return replace(self, tries=self.tries + 1)


@dataclass(frozen=True)
class Outcome:
    """``busy``: another run is making it; ``memory``: it needs more than there is. ``said``: lines for people."""

    state: Literal["done", "busy", "memory", "failed"] = "done"
    evaluations: int = 0
    seconds: float = 0.0
    record: Record | None = None
    error: Exception | None = None
    said: tuple[str, ...] = field(default=())
