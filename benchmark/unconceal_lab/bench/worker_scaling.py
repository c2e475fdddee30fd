"""Speed-up by a second worker, time to resume a finished run, and time to plan a large one."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from threading import Barrier

from pydantic import BaseModel

from unconceal.diffusion.guidance import guided_prediction
from unconceal.diffusion.handover import prompt_guidance
from unconceal.estimate.forecast import forecast
from unconceal.execution.job import EvaluationConfig
from unconceal.execution.local_processes import LocalProcesses
from unconceal.execution.scheduler import schedule
from unconceal.specs.submission import Checkpoint, Submission
from unconceal.specs.task import Task
from unconceal_lab.bench.bench_sample import BenchSample

THROUGHPUT_SECONDS = 20.0


class WorkerScaling(BaseModel):
    """Time of the same run by number of workers.

    Attributes:
        seconds: From the first job to the last record, workers already started.
        resumed: Seconds to run the finished command again.
        denoiser_throughput: Forward passes per second of as many processes that run only the denoiser.
    """

    sample: str
    evaluations: int
    seconds: dict[int, float]
    resumed: float
    denoiser_throughput: dict[int, float]


def measure_worker_scaling(sample: BenchSample, workers: tuple[int, ...] = (1, 2)) -> WorkerScaling:
    """Run the sample from an empty store with each number of workers."""
    seconds, resumed = {}, 0.0
    for count in workers:
        with tempfile.TemporaryDirectory() as folder:
            evaluation = sample.evaluation(Path(folder))
            executor = LocalProcesses(EvaluationConfig.from_evaluation(evaluation), count)
            try:
                executor.wait_until_up()
                started = time.perf_counter()
                schedule(evaluation, sample.pairs(), False, executor)
                seconds[count] = time.perf_counter() - started
            finally:
                executor.close()
            started = time.perf_counter()
            schedule(sample.evaluation(Path(folder)), sample.pairs())
            resumed = time.perf_counter() - started
    throughput = {count: denoiser_throughput(sample, count) for count in workers}
    return WorkerScaling(
        sample=sample.description, evaluations=len(sample.submissions), seconds=seconds, resumed=resumed, denoiser_throughput=throughput
    )


def denoiser_throughput(sample: BenchSample, processes: int) -> float:
    """Forward passes per second of θ's denoiser, summed over processes that start together."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, context) as pool:
        barrier = manager.Barrier(processes)
        return sum(future.result() for future in [pool.submit(_throughput, sample, barrier) for _ in range(processes)])


def _throughput(sample: BenchSample, barrier: Barrier) -> float:
    import torch

    original = sample.evaluation(Path("unused")).original()
    batch_size = sample.batch_size
    guidance, latents = prompt_guidance(original, [""] * (batch_size // 2)), original.noise(range(batch_size // 2))
    t, forward_passes = original.scheduler().timesteps[0], 0
    with torch.inference_mode():
        guided_prediction(original, latents, t, guidance, 0, batch_size)
        barrier.wait()
        started = time.perf_counter()
        while time.perf_counter() - started < THROUGHPUT_SECONDS:
            guided_prediction(original, latents, t, guidance, 0, batch_size)
            forward_passes += batch_size
    return forward_passes / (time.perf_counter() - started)


class PlanningTime(BaseModel):
    """Seconds to plan submissions × tasks from their specs with an empty store."""

    submissions: int
    tasks: int
    shards: int
    forward_passes: int
    seconds: float


def measure_planning(sample: BenchSample, submissions: int = 1000, tasks: int = 100) -> PlanningTime:
    """Plan synthetic submissions on copies of the sample's task, each with prompts of its own."""
    template = sample.pairs()[0][0]
    task_copies = [numbered_task(template, number) for number in range(tasks)]
    synthetic = [synthetic_submission(number, task_copies) for number in range(submissions)]
    with tempfile.TemporaryDirectory() as folder:
        evaluation = sample.evaluation(Path(folder))
        started = time.perf_counter()
        total = forecast(evaluation, [(task, submission) for submission in synthetic for task in task_copies]).total
        seconds = time.perf_counter() - started
    return PlanningTime(submissions=submissions, tasks=tasks, shards=total.shards, forward_passes=total.forward_passes, seconds=seconds)


def numbered_task(task: Task, number: int) -> Task:
    """A copy of the task with prompts that no other copy has."""
    forget = tuple(prompt.model_copy(update={"text": f"{prompt.text} {number}"}) for prompt in task.forget)
    return task.model_copy(update={"concept": f"concept-{number}", "forget": forget})


def synthetic_submission(number: int, tasks: list[Task]) -> Submission:
    """A submission with a pinned checkpoint for every task."""
    checkpoints = {
        task.id: Checkpoint.model_construct(path=f"none/{number}-{index}.safetensors", sha256=f"{number * len(tasks) + index:064x}")
        for index, task in enumerate(tasks)
    }
    return Submission.model_construct(name=f"method-{number}", suite="synthetic", title="M", description="M", checkpoints=checkpoints)
