"""Workers of a Ray cluster: an existing one by its address, or one that is started on this machine.

Every machine needs this package, and the data root and the store under the same paths, so the store is on a shared file system.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from unconceal.errors import EnvironmentFault, UsageError
from unconceal.evaluation.environment import usable_cores
from unconceal.execution.executor import Worker
from unconceal.execution.job import EvaluationConfig, Job, Outcome
from unconceal.execution.ray_guard import start_guard

POLL_SECONDS = 1.0
"""Seconds between two checks for idle workers."""


@dataclass
class Actor:
    """Handle of one worker; ``pending``: the Ray reference of its outcome, or of its start."""

    handle: Any
    pending: Any
    model: tuple[str, str] | None = None
    job: Job | None = None

    @property
    def is_idle(self) -> bool:
        return self.pending is None


class RayCluster:
    """One actor per worker, with a GPU or with as many cores as it has threads; a lost one is restarted where the cluster has room."""

    def __init__(self, config: EvaluationConfig, workers: int | None, address: str | None) -> None:
        try:
            import ray
        except ModuleNotFoundError as error:
            raise EnvironmentFault(
                "environment.missing-package", "package ray", "is not installed, so there is no cluster", "pip install 'unconceal[ray]'"
            ) from error
        from unconceal.execution.worker_process import WorkerProcess

        self.ray: Any = ray
        self.config = config
        self._guard: subprocess.Popen[str] | None = None
        self._was_initialized = ray.is_initialized()
        if not self._was_initialized:
            self._connect(address)
        on_gpu = config.device.startswith("cuda")
        self._resources = {"num_gpus": 1, "num_cpus": 1} if on_gpu else {"num_cpus": config.threads}
        self._actor_class: Any = ray.remote(WorkerProcess)
        self._actors = [self._start() for _ in range(workers or self._checked_capacity())]

    def _connect(self, address: str | None) -> None:
        # Evaluations are private: Ray must not report its usage.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        local = {"num_cpus": usable_cores(), "include_dashboard": False} if address is None else {}
        if address is None:
            # Before Ray: the run may be killed while it starts.
            self._guard = start_guard()
        try:
            self.ray.init(address=address or "local", log_to_driver=False, **local)
        except Exception as error:  # Ray raises many unrelated kinds, bare ones among them
            message = " ".join(str(error).split())[:200]
            value = f"Ray cluster {address or 'on this machine'} ({message})"
            raise EnvironmentFault("ray.not-reached", value, "is not reached", "check --ray-address") from error

    @property
    def _needed(self) -> dict[str, int]:
        """What a worker needs, by Ray's names."""
        return {"GPU": self._resources.get("num_gpus", 0), "CPU": self._resources["num_cpus"]}

    def _capacity(self, total: Mapping[str, float]) -> int:
        """Number of workers that fit into resources."""
        return min(int(total.get(name, 0) // amount) for name, amount in self._needed.items() if amount)

    def _checked_capacity(self) -> int:
        """Number of workers that fit into the cluster."""
        total, needed = self.ray.cluster_resources(), self._needed
        capacity = self._capacity(total)
        if not capacity:
            value = f"a cluster of {total.get('CPU', 0):g} cores and {total.get('GPU', 0):g} GPUs"
            consequence = f"has no room for a worker that needs {needed}"
            raise UsageError("ray.no-resources", value, consequence, "give fewer --threads, or another --device")
        return capacity

    @property
    def workers(self) -> int:
        return len(self._actors)

    def idle(self) -> Sequence[Actor]:
        return [actor for actor in self._actors if actor.is_idle]

    def submit(self, worker: Worker, job: Job) -> None:
        assert isinstance(worker, Actor)
        worker.job, worker.model = job, job.model_after(worker.model)
        worker.pending = worker.handle.execute.remote(job)

    def next(self) -> tuple[Job, Outcome | None] | None:
        """Wait for an outcome, for a worker to come up, or for one to be lost."""
        awaited = {actor.pending: actor for actor in self._actors if actor.pending is not None}
        ready, _ = self.ray.wait(list(awaited), num_returns=1, timeout=POLL_SECONDS)
        if not ready:
            # Otherwise the start of a lost worker would be awaited for ever.
            if not self._capacity(self.ray.cluster_resources()):
                consequence, remedy = "has no machine left that a worker fits on", "run again: what was finished is kept"
                raise EnvironmentFault("ray.lost", "the Ray cluster", consequence, remedy)
            return None
        actor = awaited[ready[0]]
        job, actor.job, actor.pending = actor.job, None, None
        try:
            outcome = self.ray.get(ready[0])
        except self.ray.exceptions.RayError:
            self._actors[self._actors.index(actor)] = self._start()
            return None if job is None else (job, None)
        return None if job is None else (job, outcome)

    def close(self) -> None:
        """End the workers, and shut Ray down if this run started it."""
        for actor in self._actors:
            self.ray.kill(actor.handle)
        if not self._was_initialized:
            self.ray.shutdown()
        if self._guard is not None:
            self._guard.communicate()

    def _start(self) -> Actor:
        handle: Any = self._actor_class.options(**self._resources, max_restarts=0, max_task_retries=0).remote(self.config)
        return Actor(handle, handle.ready.remote())
