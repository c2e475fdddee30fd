"""Workers of a Ray cluster: an existing one by its address, or one that is started on this machine.

Every machine needs this package, the data root and the store under the same paths, so the store lies on a shared file system.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unconceal.errors import EnvironmentFault, UsageError
from unconceal.evaluation.machine import usable_cores
from unconceal.execution.executor import Worker
from unconceal.execution.job import EvaluationConfig, Job, Outcome

PATIENCE = 1.0
"""Seconds between two looks at who is there."""


@dataclass
class Actor:
    """One worker; ``pending``: the answer that it owes, a job's or that it is up."""

    handle: Any
    pending: Any
    model: tuple[str, str] | None = None
    job: Job | None = None

    @property
    def is_idle(self) -> bool:
        return self.pending is None


class RayWorkers:
    """One actor a worker, with a GPU or with its threads' cores; one that is lost is asked for anew wherever the cluster has room."""

    def __init__(self, setting: EvaluationConfig, workers: int | None, address: str | None) -> None:
        try:
            import ray
        except ModuleNotFoundError as error:
            raise EnvironmentFault("package ray", "is not installed, so there is no cluster", "pip install 'unconceal[ray]'") from error
        from unconceal.execution.worker_process import WorkerProcess

        self.ray: Any = ray
        self.setting = setting
        self._joined = ray.is_initialized()
        if not self._joined:
            self._join(address)
        on_card = setting.device.startswith("cuda")
        self._needs = {"num_gpus": 1, "num_cpus": 1} if on_card else {"num_cpus": setting.threads}
        self._kind: Any = ray.remote(WorkerProcess)
        self._actors = [self._start() for _ in range(workers or self._room())]

    def _join(self, address: str | None) -> None:
        # What is evaluated here is nobody else's business.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own = {"num_cpus": usable_cores(), "include_dashboard": False} if address is None else {}
        try:
            self.ray.init(address=address or "local", log_to_driver=False, **own)
        except Exception as error:  # Ray raises many unrelated kinds, bare ones among them
            said = " ".join(str(error).split())[:200]
            raise EnvironmentFault(f"Ray cluster {address or 'here'} ({said})", "is not reached", "check --ray-address") from error

    def _room(self) -> int:
        """How many workers the cluster holds now."""
        there = self.ray.cluster_resources()
        wanted = {"GPU": self._needs.get("num_gpus", 0), "CPU": self._needs["num_cpus"]}
        room = min(int(there.get(name, 0) // amount) for name, amount in wanted.items() if amount)
        if not room:
            value = f"a cluster of {there.get('CPU', 0):g} cores and {there.get('GPU', 0):g} GPUs"
            raise UsageError(value, f"has no room for a worker that needs {wanted}", "give fewer --threads, or another --device")
        return room

    @property
    def workers(self) -> int:
        return len(self._actors)

    def idle(self) -> Sequence[Actor]:
        return [actor for actor in self._actors if actor.is_idle]

    def submit(self, hand: Worker, job: Job) -> None:
        assert isinstance(hand, Actor)
        hand.job, hand.model = job, job.model
        hand.pending = hand.handle.do.remote(job)

    def next(self) -> tuple[Job, Outcome | None] | None:
        """Waits for an answer, for a worker to come up, or for one to be lost."""
        owed = {actor.pending: actor for actor in self._actors if actor.pending is not None}
        ready, _ = self.ray.wait(list(owed), num_returns=1, timeout=PATIENCE)
        if not ready:
            return None
        actor = owed[ready[0]]
        job, actor.job, actor.pending = actor.job, None, None
        try:
            answer = self.ray.get(ready[0])
        except self.ray.exceptions.RayError:
            self._actors[self._actors.index(actor)] = self._start()
            return None if job is None else (job, None)
        return None if job is None else (job, answer)

    def close(self) -> None:
        """End the workers, and leave the cluster if this run joined it."""
        for actor in self._actors:
            self.ray.kill(actor.handle)
        if not self._joined:
            self.ray.shutdown()

    def _start(self) -> Actor:
        handle: Any = self._kind.options(**self._needs, max_restarts=0, max_task_retries=0).remote(self.setting)
        return Actor(handle, handle.ready.remote())
