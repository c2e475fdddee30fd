"""The jobs of a run, their outcomes, and the settings that a worker needs: plain values that travel between processes (no torch)."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal

from unconceal.generate.identity import Shard
from unconceal.generate.plan import ShardPair
from unconceal.paths import DataRoot
from unconceal.specs.paper_protocol import ProtocolName
from unconceal.specs.record import UNSPENT, Record, Timing
from unconceal.specs.submission import Submission
from unconceal.specs.suite import RunTierName, Suite
from unconceal.specs.task import Task

if TYPE_CHECKING:
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.evaluation.run_sweep import Axes
    from unconceal.progress import Progress
    from unconceal.specs.sweep import Sweep

JobKind = Literal["shard", "measure", "probe", "rescore", "sweep"]


@dataclass(frozen=True)
class EvaluationConfig:
    """The settings of an evaluation without its loaded models; a worker process builds its own evaluation from them."""

    suite: Suite
    root: DataRoot
    tier_name: RunTierName
    device: str
    dtype: str
    threads: int
    shard_size: int
    protocol: ProtocolName
    optimizations: tuple[str, ...]
    offload: bool
    fresh_seed: int | None

    @classmethod
    def from_evaluation(cls, evaluation: Evaluation) -> EvaluationConfig:
        return cls(**{field.name: getattr(evaluation, field.name) for field in fields(cls)})

    def build(self, progress: Progress) -> Evaluation:
        """The evaluation; called in the process that executes the jobs."""
        from unconceal.evaluation.evaluation import Evaluation

        return Evaluation(**vars(self), progress=progress)


@dataclass(frozen=True)
class Job:
    """One unit of work on one (task, submission).

    ``shard`` generates one shard of images, ``measure`` scores the stored images and writes the record, ``probe`` adds neighbours and
    attacks to a record, ``rescore`` scores stored images again, ``sweep`` measures several samplers.
    """

    kind: JobKind
    index: int
    """Position of the (task, submission) in the run."""
    task: Task
    submission: Submission
    batch_size: int
    requested_batch_size: int | None = None
    shards: ShardPair | None = None
    timing: Timing = UNSPENT
    """Cost of the images that a ``measure`` job scores."""
    record: Record | None = None
    axes: Axes | None = None
    wait: bool = False
    """Whether to wait for another run that generates the same shard."""
    attempts: int = 0
    """Workers that were lost while they executed it."""

    @property
    def shard(self) -> Shard:
        """The shard that a ``shard`` job generates."""
        assert self.shards is not None
        return self.shards[1] or self.shards[0]

    @property
    def needs_original_only(self) -> bool:
        """Whether any loaded submission will do, since only θ generates."""
        return self.kind == "shard" and self.shard.is_originals

    @property
    def model(self) -> tuple[str, str]:
        """The model to load, as (task, submission)."""
        return self.task.id, self.submission.name

    def model_after(self, loaded: tuple[str, str] | None) -> tuple[str, str]:
        """The model that a worker holds after this job, given the one that it holds before."""
        return loaded if loaded is not None and self.needs_original_only else self.model

    def retried(self) -> Job:
        return replace(self, attempts=self.attempts + 1)


@dataclass(frozen=True)
class Outcome:
    """The result of a job. ``busy``: another run is generating the same shard. ``messages``: lines to log."""

    state: Literal["done", "busy", "out-of-memory", "failed"] = "done"
    forward_passes: int = 0
    seconds: float = 0.0
    result: Record | Sweep | None = None
    error: Exception | None = None
    messages: tuple[str, ...] = ()
