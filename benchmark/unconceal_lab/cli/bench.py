"""``python -m unconceal_lab bench``: time, forward passes and memory of an evaluation on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import root_option
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal_lab.bench.bench_sample import BenchSample

PARTS = ("speed", "memory-scaling", "worker-scaling", "cluster", "planning", "precision", "gpu")


@click.command()
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="What to measure; repeatable. Default: all, gpu on a GPU.")
@click.option("--suite", default="miniature", show_default=True, help="Suite.")
@click.option("--task", default="object/star", show_default=True, help="Task.")
@click.option("--submission", "submissions", multiple=True, default=("esd-x", "uce"), show_default=True, help="At least two; repeatable.")
@click.option("--tier", type=click.Choice(["quick", "full"]), default="full", show_default=True, help="Tier.")
@click.option("--prompts", type=click.IntRange(1), help="Use only the first N prompts; every table says so.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Processor threads of every process.")
@click.option("--device", default="cpu", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("docs/reports/performance.md"),
    show_default=True,
    help="Page whose tables are filled in; the measurements are stored beside it as JSON.",
)
@root_option
def command(
    parts: tuple[str, ...],
    suite: str,
    task: str,
    submissions: tuple[str, ...],
    tier: Any,
    prompts: int | None,
    threads: int,
    device: str,
    out: Path,
    root: Path | None,
) -> None:
    """Measure the cost of an evaluation on this machine and fill in the tables of the performance page.

    \b
    speed           time, forward passes and peak memory, against the released evaluation
    memory-scaling  peak memory with 1, 10 and 100 times as many images
    worker-scaling  two workers against one, and a finished run once more
    cluster         64 workers that sleep: what scheduler and store can serve
    planning        1,000 submissions on 100 tasks
    precision       every score in bfloat16 against float32
    gpu             a GPU with a denoiser of SD 1.4's size, and the miniature's records against the CPU's (8 minutes)

    Parts that are not measured keep their tables. Run nothing else on the machine meanwhile.

    \b
    Example:  python -m unconceal_lab bench --part speed --tier quick
              python -m unconceal_lab bench --part precision --tier quick --prompts 4
    """
    from unconceal.errors import UsageError
    from unconceal.evaluation.environment import resolve_device
    from unconceal_lab.bench.bench_results import BenchResults, machine_name
    from unconceal_lab.bench.bench_sample import BenchSample
    from unconceal_lab.bench.performance_page import write_page

    if len(submissions) < 2:
        raise UsageError("bench.one-submission", "--submission", "names one, and a further one is measured beside the first", "name two")
    device = resolve_device(device)
    sample = BenchSample(DataRoot.find(root), suite, task, submissions, tier, prompts, threads=threads, device=device)
    results_path = out.with_suffix(".json")
    results, measurements = BenchResults.read(results_path), measurements_of(sample)
    for part in parts or [part for part in PARTS if part != "gpu" or device.startswith("cuda")]:
        click.echo(f"measuring: {part}", err=True)
        machines = {**results.machines, part: machine_name(device)}
        results = results.model_copy(update={part.replace("-", "_"): measurements[part](), "machines": machines})
        results.write(results_path)
        write_page(out, results)
    click.echo(f"{out}\n{results_path}")


def measurements_of(sample: BenchSample) -> Mapping[str, Callable[[], Any]]:
    """The measurement of each part."""
    from unconceal_lab.bench.gpu import measure_gpu
    from unconceal_lab.bench.memory_scaling import measure_memory_scaling
    from unconceal_lab.bench.precision import compare_precision
    from unconceal_lab.bench.simulated_cluster import measure_cluster
    from unconceal_lab.bench.speed import compare_speed
    from unconceal_lab.bench.worker_scaling import measure_planning, measure_worker_scaling

    return {
        "speed": lambda: compare_speed(sample),
        "memory-scaling": lambda: measure_memory_scaling(sample),
        "worker-scaling": lambda: measure_worker_scaling(sample),
        "cluster": lambda: measure_cluster(replace(sample, prompts=None)),
        "planning": lambda: measure_planning(replace(sample, prompts=None)),
        "precision": lambda: compare_precision(sample),
        "gpu": lambda: measure_gpu(sample),
    }
