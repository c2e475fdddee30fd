"""``unconceal bench``: what an evaluation costs on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from unconceal.cli.options import root_option
from unconceal.paths import DataRoot

PARTS = ("ways", "memory", "sharing", "planning", "precision")


@click.command()
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="What to measure; repeatable; default: all of it.")
@click.option("--suite", default="miniature", show_default=True, help="Suite.")
@click.option("--task", default="object/star", show_default=True, help="Task.")
@click.option("--submission", "submissions", multiple=True, default=("esd-x", "uce"), show_default=True, help="Two or more; repeatable.")
@click.option("--tier", type=click.Choice(["lite", "full"]), default="full", show_default=True, help="How much an evaluation measures.")
@click.option("--prompts", type=click.IntRange(1), help="Only the first so many prompts: quicker, and said in every table.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="Processor threads of every process.")
@click.option("--device", default="cpu", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("docs/performance.md"),
    show_default=True,
    help="The page whose tables are filled in; the numbers are kept beside it as JSON.",
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
    """Measure our evaluation against the way it was released, one picture and one ψ at a time, on this machine and the same models.

    ways: time, denoiser rows and peak memory of both, first and further submissions. memory: with 1, 10 and 100 times as many pictures.
    sharing: two workers against one, and a finished run once more. planning: 1,000 submissions on 100 tasks. precision: bfloat16 against
    float32, every score. Parts that are not measured keep their tables. Other work on the machine makes every time wrong.

    \b
    Example:  unconceal bench --part ways --tier lite
              unconceal bench --part precision --tier lite --prompts 4
    """
    from unconceal.errors import UsageError
    from unconceal.evaluation.environment import resolve_device
    from unconceal_lab.bench.bench_results import Found, machine
    from unconceal_lab.bench.bench_sample import Sample
    from unconceal_lab.bench.memory_scaling import memory
    from unconceal_lab.bench.performance_page import write_page
    from unconceal_lab.bench.precision import precision
    from unconceal_lab.bench.speed import ways
    from unconceal_lab.bench.worker_scaling import planning, sharing

    if len(submissions) < 2:
        raise UsageError("bench.one-submission", "--submission", "is one, and a further one is measured beside the first", "name two")
    device = resolve_device(device)
    sample = Sample(DataRoot.find(root), suite, task, submissions, tier, prompts, threads=threads, device=device)
    whole = replace(sample, prompts=None)
    measures: dict[str, Callable[[], Any]] = {
        "ways": lambda: ways(sample),
        "memory": lambda: memory(sample),
        "sharing": lambda: sharing(sample),
        "planning": lambda: planning(whole),
        "precision": lambda: precision(sample),
    }
    numbers = out.with_suffix(".json")
    found = Found.read(numbers)
    for part in parts or PARTS:
        click.echo(f"measuring: {part}", err=True)
        found = found.model_copy(update={part: measures[part](), "machines": {**found.machines, part: machine(device)}})
        found.write(numbers)
        write_page(out, found)
    click.echo(f"{out}\n{numbers}")
