"""The executors by name, and which one a run gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from unconceal.execution.executor import Executor
from unconceal.execution.job import EvaluationConfig

if TYPE_CHECKING:
    from unconceal.evaluation.evaluation import Evaluation


def _in_process(evaluation: Evaluation, workers: int | None, address: str | None) -> Executor:
    from unconceal.execution.in_process import InProcess

    return InProcess(evaluation)


def _local_processes(evaluation: Evaluation, workers: int | None, address: str | None) -> Executor:
    from unconceal.execution.local_processes import LocalProcesses

    return LocalProcesses(EvaluationConfig.from_evaluation(evaluation), workers or 1)


def _ray_cluster(evaluation: Evaluation, workers: int | None, address: str | None) -> Executor:
    from unconceal.execution.ray_cluster import RayCluster

    return RayCluster(EvaluationConfig.from_evaluation(evaluation), workers, address)


EXECUTORS: dict[str, Callable[[Evaluation, int | None, str | None], Executor]] = {
    "in-process": _in_process,
    "local": _local_processes,
    "ray": _ray_cluster,
}


@contextmanager
def open_executor(evaluation: Evaluation, name: str = "local", workers: int | None = 1, address: str | None = None) -> Iterator[Executor]:
    """An executor for one run, closed afterwards. One local worker is this process.

    Args:
        evaluation: the settings of the run.
        name: ``in-process``, ``local`` or ``ray``.
        workers: number of workers; None lets a Ray cluster use all of its resources.
        address: of an existing Ray cluster; None starts one on this machine.
    """
    name = "in-process" if (name, workers) == ("local", 1) else name
    executor = EXECUTORS[name](evaluation, workers, address)
    try:
        yield executor
    finally:
        executor.close()


def worker_count(executor: str, requested: int | None, device: str) -> int | None:
    """Number of workers: as requested; by default one per local GPU, or one. None: the Ray cluster decides."""
    if requested is not None or executor != "local":
        return requested
    if device == "cpu":
        return 1
    import torch

    return max(1, torch.cuda.device_count())
