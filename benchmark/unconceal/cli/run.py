"""``unconceal run``: evaluate submissions on tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from unconceal.cli.options import echo_rows, root_option
from unconceal.errors import UsageError
from unconceal.paths import DataRoot


@click.command()
@click.argument("submissions", nargs=-1, required=True, metavar="SUBMISSION…")
@click.option(
    "--task", "tasks", multiple=True, help="Task to evaluate on, e.g. object/star; repeatable; default: every task the submission has."
)
@click.option("--tier", type=click.Choice(["lite", "full"]), default="full", show_default=True, help="How much is measured.")
@click.option(
    "--protocol",
    type=click.Choice(["standard", "paper"]),
    default="standard",
    show_default=True,
    help="paper: as released for arXiv 2409.05668, for comparison only.",
)
@click.option("--threads", type=click.IntRange(1), help="Processor threads; default: all cores.")
@click.option("--batch", type=click.IntRange(1), default=128, show_default=True, help="Most rows in one UNet call.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32", show_default=True, help="Precision of θ and θ*."
)
@click.option("--offload", is_flag=True, help="Keep on the GPU only what is at work: slower, for small cards.")
@click.option("--store", type=click.Path(file_okay=False, path_type=Path), help="Where generated pictures are kept.")
@click.option("--results", type=click.Path(file_okay=False, path_type=Path), help="Where records are written.")
@click.option("--probes", is_flag=True, help="Measure the task's neighbours and attacks, too, and read its probe sets.")
@click.option(
    "--sweep", "sweeps", multiple=True, help="Values of the sampler to try: steps=25,50, guidance=1,7.5, scheduler=ddim,euler,dpmpp-2m."
)
@click.option("--dry-run", is_flag=True, help="Print what would be generated, and touch nothing.")
@root_option
def command(
    submissions: tuple[str, ...], tasks: tuple[str, ...], tier: Any, protocol: Any, threads: int | None, batch: int, device: str,
    dtype: str, offload: bool, store: Path | None, results: Path | None, probes: bool, sweeps: tuple[str, ...], dry_run: bool,
    root: Path | None,
) -> None:  # fmt: skip
    """Evaluate submissions by partial diffusion and write one record per task. The same command resumes after any stop.

    \b
    Example:  unconceal run esd-x uce --task object/star --tier lite
              unconceal run esd-x --task object/star --probes
              unconceal run esd-x --task object/star --tier lite --sweep steps=15,25,50 --sweep guidance=1,7.5
    """
    from unconceal.hub.prompts import complete
    from unconceal.specs.reading import load_submission, load_suite, load_task

    data = DataRoot.find(root)
    data = replace(data, store=store or data.store, results=results or data.results)
    loaded = [load_submission(data, name) for name in submissions]
    suites = sorted({submission.suite for submission in loaded})
    if len(suites) > 1:
        raise UsageError(", ".join(submissions), f"belong to several suites ({', '.join(suites)})", "run one suite at a time")
    pairs = [
        (complete(load_task(data, f"{submission.suite}:{bare(task)}")), submission)
        for submission in loaded
        for task in tasks or submission.checkpoints
    ]
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.evaluation.machine import device_named, usable_cores
    from unconceal.evaluation.probe_run import planned
    from unconceal.evaluation.run import forecast, run
    from unconceal.progress import progress

    with progress() as shown:
        evaluation = Evaluation(
            load_suite(data, suites[0]),
            data,
            tier,
            device_named(device),
            dtype,
            threads or usable_cores(),
            batch,
            progress=shown,
            protocol=protocol,
            offload=offload,
        )
        if dry_run:
            further = [planned(evaluation, *pair).shards if probes else () for pair in pairs]
            echo_rows([forecast(evaluation, *pair, shards) for pair, shards in zip(pairs, further, strict=True)], as_json=False)
            return
        if sweeps:
            from unconceal.cli.sweeping import sweep_all

            sweep_all(evaluation, pairs, sweeps)
            return
        records = run(evaluation, pairs, probes)
    for record in records:
        click.echo(f"{record.submission} on {record.task} ({record.tier}): {record.verdict.label}. {record.verdict.why}")
        click.echo(f"  {evaluation.place(load_task(data, f'{record.suite}:{record.task}'), record.submission)}")


def bare(task: str) -> str:
    """A task's id without its suite."""
    return task.partition(":")[2] or task
