"""``unconceal run``: evaluate submissions on tasks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from unconceal.cli.options import echo_rows, layout_options, root_option
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
@layout_options
@click.option("--offload", is_flag=True, help="Keep on the GPU only what is at work: slower, for small cards.")
@click.option("--store", type=click.Path(file_okay=False, path_type=Path), help="Where generated pictures are kept.")
@click.option("--results", type=click.Path(file_okay=False, path_type=Path), help="Where records are written.")
@click.option("--probes", is_flag=True, help="Measure the task's neighbours and attacks, too, and read its probe sets.")
@click.option(
    "--sweep", "sweeps", multiple=True, help="Values of the sampler to try: num_inference_steps=25,50, guidance_scale=1,7.5, scheduler=ddim,euler,dpmpp-2m."
)
@click.option("--executor", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="Who does the work.")
@click.option("--workers", type=click.IntRange(1), help="Processes at once; default: one a GPU, or one; ray: as many as fit.")
@click.option("--ray-address", help="An existing cluster, e.g. auto or HOST:6379; default: one is started on this machine.")
@click.option("--dry-run", is_flag=True, help="Print what would be generated, what it takes and how long, and touch nothing.")
@root_option
def command(
    submissions: tuple[str, ...],
    tasks: tuple[str, ...],
    tier: Any,
    protocol: Any,
    offload: bool,
    store: Path | None,
    results: Path | None,
    probes: bool,
    sweeps: tuple[str, ...],
    executor: str,
    workers: int | None,
    ray_address: str | None,
    dry_run: bool,
    root: Path | None,
    **layout: Any,
) -> None:
    """Evaluate submissions by partial diffusion and write one record per task. The same command resumes after any stop.

    \b
    Example:  unconceal run esd-x uce --task object/star --tier lite
              unconceal run esd-x --task object/star --probes
              unconceal run esd-x uce ca --workers 4 --threads 1
              unconceal run esd-x --task object/star --tier lite --sweep num_inference_steps=15,25,50 --sweep guidance_scale=1,7.5
    """
    from unconceal.cli.resolve import evaluation_of, pairs_of, tell
    from unconceal.execution.executor import worker_count
    from unconceal.progress import progress

    data = DataRoot.find(root)
    data = replace(data, store=store or data.store, results=results or data.results)
    suite, pairs = pairs_of(data, submissions, tasks)
    with progress() as shown:
        many = worker_count(executor, workers, layout["device"])
        evaluation = evaluation_of(data, suite, shown, workers=many or 1, tier_name=tier, protocol=protocol, offload=offload, **layout)
        if dry_run:
            from unconceal.estimate.forecast import forecast
            from unconceal.estimate.runtime import runtime_estimate

            found = forecast(evaluation, pairs, probes)
            echo_rows(list(found.table()), as_json=False)
            click.echo("\n".join(runtime_estimate(evaluation, found, many or 1)))
        elif sweeps:
            from unconceal.cli.sweeps import sweep_all

            sweep_all(evaluation, pairs, sweeps)
        else:
            from unconceal.execution.executor import open_executor
            from unconceal.execution.scheduler import schedule

            with open_executor(evaluation, executor, many, ray_address) as opened:
                tell(evaluation, schedule(evaluation, pairs, probes, opened))
