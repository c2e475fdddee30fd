"""What a second worker brings, how fast a finished run is found finished, and how fast a large one is planned."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from threading import Barrier

from pydantic import BaseModel

from unconceal.diffusion.handover import guided_prediction
from unconceal.estimate.forecast import forecast
from unconceal.execution.job import EvaluationConfig
from unconceal.execution.local_processes import LocalProcesses
from unconceal.execution.scheduler import schedule
from unconceal.specs.submission import Checkpoint, Submission
from unconceal.specs.task import Task
from unconceal_lab.bench.bench_sample import Sample

BARE_SECONDS = 20.0


class Sharing(BaseModel):
    """Seconds from the first job to the last record, by number of workers, which are up before; and of the same command once more.

    ``bare``: denoiser rows a second that so many processes make together which do nothing else: what the machine has to give.
    """

    sample: str
    evaluations: int
    seconds: dict[int, float]
    resumed: float
    bare: dict[int, float]


def sharing(sample: Sample, workers: tuple[int, ...] = (1, 2)) -> Sharing:
    """The same run from nothing with each number of workers."""
    found, resumed = {}, 0.0
    for count in workers:
        with tempfile.TemporaryDirectory() as folder:
            evaluation = sample.evaluation(Path(folder))
            executor = LocalProcesses(EvaluationConfig.from_evaluation(evaluation), count)
            try:
                executor.wait_until_up()
                started = time.perf_counter()
                schedule(evaluation, sample.pairs(), False, executor)
                found[count] = time.perf_counter() - started
            finally:
                executor.close()
            started = time.perf_counter()
            schedule(sample.evaluation(Path(folder)), sample.pairs())
            resumed = time.perf_counter() - started
    bare = {count: bare_rows(sample, count) for count in workers}
    return Sharing(sample=sample.said, evaluations=len(sample.submissions), seconds=found, resumed=resumed, bare=bare)


def bare_rows(sample: Sample, processes: int) -> float:
    """Rows a second through θ's denoiser, of so many processes side by side that start together."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, context) as pool:
        together = manager.Barrier(processes)
        return sum(made.result() for made in [pool.submit(_rows, sample, together) for _ in range(processes)])


def _rows(sample: Sample, together: Barrier) -> float:
    import torch

    original = sample.evaluation(Path("unused")).original()
    told, x = original.encode_prompts([""] * (sample.batch // 2)), original.noise(range(sample.batch // 2))
    t, rows = original.scheduler().timesteps[0], 0
    with torch.inference_mode():
        guided_prediction(original, x, t, told, sample.batch)
        together.wait()
        started = time.perf_counter()
        while time.perf_counter() - started < BARE_SECONDS:
            guided_prediction(original, x, t, told, sample.batch)
            rows += sample.batch
    return rows / (time.perf_counter() - started)


class Planning(BaseModel):
    """Seconds to plan so many submissions on so many tasks from their specs, nothing of which is stored."""

    submissions: int
    tasks: int
    cells: int
    rows: int
    seconds: float


def planning(sample: Sample, submissions: int = 1000, tasks: int = 100) -> Planning:
    """Specs made up from the sample's task, with prompts of their own."""
    task = sample.pairs()[0][0]
    asked = [renamed(task, number) for number in range(tasks)]
    made = [made_up(number, asked) for number in range(submissions)]
    with tempfile.TemporaryDirectory() as folder:
        evaluation = sample.evaluation(Path(folder))
        started = time.perf_counter()
        total = forecast(evaluation, [(one, submission) for submission in made for one in asked]).total
        seconds = time.perf_counter() - started
    return Planning(submissions=submissions, tasks=tasks, cells=total.shards, rows=total.forward_passes, seconds=seconds)


def renamed(task: Task, number: int) -> Task:
    """A task like another, with prompts that no other has."""
    forget = tuple(prompt.model_copy(update={"text": f"{prompt.text} {number}"}) for prompt in task.forget)
    return task.model_copy(update={"concept": f"concept-{number}", "forget": forget})


def made_up(number: int, tasks: list[Task]) -> Submission:
    """A submission with a pinned checkpoint for every task."""
    checkpoints = {
        task.id: Checkpoint.model_construct(path=f"none/{number}-{place}.safetensors", sha256=f"{number * len(tasks) + place:064x}")
        for place, task in enumerate(tasks)
    }
    return Submission.model_construct(name=f"method-{number}", suite="made-up", title="M", description="M", checkpoints=checkpoints)
