"""Workers of this machine: a process a GPU, or a group of cores, each with its own number of threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from unconceal.errors import EnvironmentFault
from unconceal.execution.executor import Worker
from unconceal.execution.job import EvaluationConfig, Job, Outcome

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass
class Process:
    """One worker. ``place``: its number, and its GPU's; ``up``: whether it has said that it is ready."""

    place: int
    process: BaseProcess
    line: Connection
    up: bool = False
    model: tuple[str, str] | None = None
    job: Job | None = None


class LocalWorkers:
    """Processes that are started afresh, so that each sees its own GPU and threads only; one that dies is replaced."""

    def __init__(self, setting: EvaluationConfig, workers: int) -> None:
        self.setting = setting
        self._processes = [self._start(place) for place in range(workers)]

    @property
    def workers(self) -> int:
        return len(self._processes)

    def idle(self) -> Sequence[Process]:
        return [one for one in self._processes if one.up and one.job is None]

    def submit(self, hand: Worker, job: Job) -> None:
        assert isinstance(hand, Process)
        hand.job, hand.model = job, job.model
        try:
            hand.line.send(job)
        except OSError:
            return  # it died while it waited: next() tells

    def next(self) -> tuple[Job, Outcome | None] | None:
        """Waits for an answer, for a worker to come up, or for the end of one."""
        owing = [one for one in self._processes if one.job is not None or not one.up]
        ready = wait([one.line for one in owing])
        one = next(one for one in owing if one.line in ready)
        job, one.job = one.job, None
        try:
            answer: Outcome | None = one.line.recv()
        except (EOFError, OSError):
            one.process.join()
            self._processes[self._processes.index(one)] = self._start(one.place)
            if job is None:
                self._failed_to_start(one)
            return None if job is None else (job, None)
        if job is None:
            one.up = True
            return None
        return job, answer

    def wait_until_up(self) -> None:
        """Until every worker is ready for a job."""
        while len(self.idle()) < self.workers:
            self.next()

    def _failed_to_start(self, one: Process) -> None:
        value = f"a worker's process ended before it was up (exit code {one.process.exitcode})"
        raise EnvironmentFault(value, "so none would come up", "run with --workers 1 to see why")

    def close(self) -> None:
        """End all of them; what they are in the middle of is not stored, and made by the next run."""
        for one in self._processes:
            one.process.terminate()
        for one in self._processes:
            one.process.join()

    def _start(self, place: int) -> Process:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.setting), daemon=True)
        with surroundings(self.setting, place):
            process.start()
        # So that the end of the worker is the end of the line.
        theirs.close()
        return Process(place, process, ours)


@contextmanager
def surroundings(setting: EvaluationConfig, place: int) -> Iterator[None]:
    """The environment that a worker is born into: read when its libraries are loaded, so set before."""
    wanted = dict.fromkeys(THREADS, str(setting.threads))
    if setting.device.startswith("cuda"):
        wanted["CUDA_VISIBLE_DEVICES"] = visible(place)
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def visible(place: int) -> str:
    """The GPU of a worker, among those that this process may see; workers beyond their number share them."""
    named = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    if not named:
        import torch

        named = [str(number) for number in range(max(1, torch.cuda.device_count()))]
    return named[place % len(named)]


def serve(line: Connection, setting: EvaluationConfig) -> None:
    """A worker's life: jobs come and outcomes go until the line ends, which it also does when the run is killed."""
    from unconceal.execution.worker_process import WorkerProcess

    # An interrupt is for the run, which then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    place = WorkerProcess(setting)
    line.send(None)
    while True:
        try:
            job = line.recv()
        except (EOFError, OSError):
            return
        line.send(place.do(job))
