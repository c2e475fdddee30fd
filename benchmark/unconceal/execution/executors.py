"""The executors in one plain table, and the run that any of them does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from unconceal.execution.executor import Executor
from unconceal.execution.job import EvaluationConfig

if TYPE_CHECKING:
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.specs.record import Record
    from unconceal.specs.submission import Submission
    from unconceal.specs.task import Task


def local(setting: EvaluationConfig, workers: int | None, address: str | None) -> Executor:
    from unconceal.execution.local_processes import LocalWorkers

    return LocalWorkers(setting, workers or 1)


def ray(setting: EvaluationConfig, workers: int | None, address: str | None) -> Executor:
    from unconceal.execution.ray_cluster import RayWorkers

    return RayWorkers(setting, workers, address)


EXECUTORS: dict[str, Callable[[EvaluationConfig, int | None, str | None], Executor]] = {"local": local, "ray": ray}


def workers_for(executor: str, asked: int | None, device: str) -> int | None:
    """How many workers: as asked; locally else one a GPU, or one. None: the cluster decides."""
    if asked is not None or executor != "local":
        return asked
    if device == "cpu":
        return 1
    import torch

    return max(1, torch.cuda.device_count())


def evaluate_with(
    evaluation: Evaluation,
    pairs: Sequence[tuple[Task, Submission]],
    probes: bool = False,
    executor: str = "local",
    workers: int | None = 1,
    address: str | None = None,
) -> list[Record]:
    """Evaluate every (task, submission): in this process where one worker is enough, else shared among an executor's workers."""
    if executor == "local" and workers == 1:
        from unconceal.evaluation.run import run

        return run(evaluation, pairs, probes)
    from unconceal.execution.scheduler import conduct

    made = EXECUTORS[executor](EvaluationConfig.of(evaluation), workers, address)
    try:
        return conduct(evaluation, pairs, probes, made)
    finally:
        made.close()
