"""How many workers the scheduler and the store can serve: workers that sleep instead of generating, and store real shards."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue

import numpy as np
from pydantic import BaseModel

from unconceal.evaluation.evaluation import Evaluation
from unconceal.execution.executor import Worker
from unconceal.execution.job import Job, Outcome
from unconceal.execution.scheduler import Scheduler
from unconceal.generate.image_cache import Pixels
from unconceal.generate.store import Arrays, Store
from unconceal.results.result_tables import record_paths
from unconceal.specs.record import Record, read_record
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task
from unconceal_lab.bench.bench_sample import BenchSample
from unconceal_lab.bench.worker_scaling import numbered_task, synthetic_submission

WORKERS, SHARD_SECONDS = (1, 8, 64), (1.0, 0.25)
SHARDS_PER_WORKER = 16
IMAGE_SIDE = 128
"""Pixels of the images that are written: a shard has 0.8 MB."""


class ClusterRow(BaseModel):
    """One simulated run.

    Attributes:
        workers: that sleep.
        shard_seconds: that each sleeps for a shard.
        shards: generated in all.
        seconds: from the first job to the last result.
        scheduling: processor seconds of the scheduler's own thread.
        storing: seconds per shard that a worker spends in the store, its mean.
    """

    workers: int
    shard_seconds: float
    shards: int
    seconds: float
    scheduling: float
    storing: float

    @property
    def efficiency(self) -> float:
        """Time that sleeping alone would take, as a share of the time taken; 1: neither scheduler nor store costs anything."""
        return self.shards * self.shard_seconds / self.workers / self.seconds


class SimulatedCluster(BaseModel):
    """Simulated runs, and the megabytes of one shard."""

    shard_megabytes: float
    rows: list[ClusterRow]


@dataclass(eq=False)
class SleepingWorker:
    """A worker's handle."""

    model: tuple[str, str] | None = None


@dataclass
class SleepingWorkers:
    """An executor whose workers are threads that sleep and then store arrays of a shard's size.

    Attributes:
        count: of workers.
        seconds: that a shard takes.
        store: where shards go.
        arrays: written for every shard.
        record: the result of every measurement.
    """

    count: int
    seconds: float
    store: Store
    arrays: Arrays
    record: Record
    storing: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._idle: list[SleepingWorker] = [SleepingWorker() for _ in range(self.count)]
        self._finished: Queue[tuple[SleepingWorker, Job, Outcome]] = Queue()
        self._threads = ThreadPoolExecutor(self.count)

    @property
    def workers(self) -> int:
        return self.count

    def idle(self) -> Sequence[Worker]:
        return list(self._idle)

    def submit(self, worker: Worker, job: Job) -> None:
        assert isinstance(worker, SleepingWorker)
        self._idle.remove(worker)
        worker.model = job.model_after(worker.model)
        self._threads.submit(self._execute, worker, job)

    def _execute(self, worker: SleepingWorker, job: Job) -> None:
        if job.kind != "shard":
            self._finished.put((worker, job, Outcome(result=self.record)))
            return
        time.sleep(self.seconds)
        started = time.perf_counter()
        self.store.put(job.shard, self.arrays)
        self.storing.append(time.perf_counter() - started)
        self._finished.put((worker, job, Outcome()))

    def next(self) -> tuple[Job, Outcome]:
        worker, job, outcome = self._finished.get()
        self._idle.append(worker)
        return job, outcome

    def close(self) -> None:
        self._threads.shutdown()


def measure_cluster(
    sample: BenchSample, workers: Sequence[int] = WORKERS, shard_seconds: Sequence[float] = SHARD_SECONDS, side: int = IMAGE_SIDE
) -> SimulatedCluster:
    """Run the scheduler over synthetic submissions with every number of workers and every speed."""
    arrays = shard_arrays(sample.evaluation(Path("unused")).shard_size, side)
    record = read_record(next(iter(record_paths(sample.root.results))))
    rows = [simulate(sample, count, seconds, arrays, record) for seconds in shard_seconds for count in workers]
    return SimulatedCluster(shard_megabytes=sum(map(lambda array: array.nbytes, arrays.values())) / 1e6, rows=rows)


def shard_arrays(images: int, side: int) -> Arrays:
    """One branch's images, of noise: nothing in the store compresses them."""
    pixels: Pixels = np.random.default_rng(0).integers(0, 256, (images, side, side, 3), dtype=np.uint8)
    return {"prompt.0000": pixels}


def simulate(sample: BenchSample, workers: int, seconds: float, arrays: Arrays, record: Record) -> ClusterRow:
    """One run from an empty store."""
    with tempfile.TemporaryDirectory() as folder:
        evaluation = sample.evaluation(Path(folder))
        pairs = synthetic_pairs(sample, evaluation, SHARDS_PER_WORKER * workers)
        executor = SleepingWorkers(workers, seconds, evaluation.store, arrays, record)
        started, spent = time.perf_counter(), time.thread_time()
        try:
            Scheduler(evaluation, pairs, executor).run()
            elapsed, scheduling = time.perf_counter() - started, time.thread_time() - spent
        finally:
            executor.close()
    return ClusterRow(
        workers=workers,
        shard_seconds=seconds,
        shards=len(executor.storing),
        seconds=elapsed,
        scheduling=scheduling,
        storing=float(np.mean(executor.storing)),
    )


def synthetic_pairs(sample: BenchSample, evaluation: Evaluation, shards: int) -> list[tuple[Task, Submission]]:
    """So many submissions of one task that their plan has at least ``shards`` shards."""
    task = numbered_task(sample.pairs()[0][0], 0)
    one = evaluation.plan_for(task, "0" * 64)
    per_submission = max(1, sum(not shard.is_originals for shard in one.shards))
    return [(task, synthetic_submission(number, [task])) for number in range(-(-shards // per_submission))]
