"""``unconceal run``: evaluate submissions on tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import RUN_TIER_NAMES, echo_rows, layout_options, root_option
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.execution.scheduler import Evaluations


@click.command()
@click.argument("submissions", nargs=-1, required=True, metavar="SUBMISSION…")
@click.option(
    "--task", "tasks", multiple=True, help="Task to evaluate on, e.g. object/star; repeatable; default: every task the submission has."
)
@click.option(
    "--tier",
    type=click.Choice(RUN_TIER_NAMES),
    default="full",
    show_default=True,
    help="Number of prompts and seeds; verdict: stop as soon as a verdict is reached.",
)
@click.option(
    "--protocol",
    type=click.Choice(["standard", "paper"]),
    default="standard",
    show_default=True,
    help="paper: as released for arXiv 2409.05668, for comparison only.",
)
@layout_options
@click.option("--offload", is_flag=True, help="Keep on the GPU only the model in use: slower, for small GPUs.")
@click.option("--store", type=click.Path(file_okay=False, path_type=Path), help="Folder of the image store.")
@click.option("--results", type=click.Path(file_okay=False, path_type=Path), help="Folder for the records.")
@click.option("--probes", is_flag=True, help="Also measure the task's neighbours and attacks, with its probe sets.")
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    help="Sampler settings to compare: num_inference_steps=25,50, guidance_scale=1,7.5, scheduler=ddim,euler,dpmpp-2m.",
)
@click.option(
    "--fresh", is_flag=True, help="Draw other prompts, seeds and ψ, and evaluate the golds with them: a re-run that can verify a row."
)
@click.option("--fresh-seed", type=click.IntRange(0), help="Repeat the fresh re-run of this seed.")
@click.option("--executor", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="Where workers run.")
@click.option("--workers", type=click.IntRange(1), help="Number of worker processes; default: one per GPU, or one; ray: as many as fit.")
@click.option("--ray-address", help="Address of a cluster, e.g. auto or HOST:6379; default: start one on this machine.")
@click.option("--dry-run", is_flag=True, help="Print the number of images, disk use and runtime; write nothing.")
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
    fresh: bool,
    fresh_seed: int | None,
    executor: str,
    workers: int | None,
    ray_address: str | None,
    dry_run: bool,
    root: Path | None,
    **layout: Any,
) -> None:
    """Evaluate submissions by partial diffusion and write one record per task. The same command resumes after any stop.

    \b
    Example:  unconceal run esd-x uce --task object/star --tier quick
              unconceal run esd-x --task object/star --tier verdict
              unconceal run esd-x --task object/star --probes
              unconceal run esd-x uce --workers 4 --threads 1
              unconceal run esd-x --task object/star --tier quick --sweep num_inference_steps=15,25,50 --sweep guidance_scale=1,7.5
              unconceal run esd-x --task object/star --fresh
    """
    from unconceal.cli import fresh as fresh_run
    from unconceal.cli.resolve import echo_verdicts, evaluation_of, resolve_pairs
    from unconceal.cli.sweeps import sweep_all
    from unconceal.execution.open_executor import open_executor, worker_count
    from unconceal.execution.scheduler import schedule
    from unconceal.progress import progress

    others = {"--probes": probes, "--sweep": sweeps, "--protocol paper": protocol == "paper"}
    refuse_with_verdict(tier, others | {"--fresh": fresh})
    data = DataRoot.find(root)
    data = replace(data, store=store or data.store)
    suite, pairs = resolve_pairs(data, submissions, tasks)
    seed = fresh_run.draw_seed() if fresh and fresh_seed is None else fresh_seed
    if seed is None:
        data = replace(data, results=results or data.results)
    else:
        fresh_run.refuse_options(others)
        data = fresh_run.fresh_root(data, seed, results)
        pairs, notes = fresh_run.fresh_pairs(data, suite, pairs, seed)
        click.echo("\n".join([f"fresh seed {seed}; --fresh-seed {seed} continues or repeats this re-run, in {data.results}", *notes]))
    layout["fresh_seed"] = seed
    with progress() as bars:
        n_workers = worker_count(executor, workers, layout["device"])
        evaluation = evaluation_of(data, suite, bars, workers=n_workers or 1, tier_name=tier, protocol=protocol, offload=offload, **layout)
        if dry_run:
            echo_forecast(evaluation, pairs, probes, sweeps, n_workers or 1)
        elif sweeps:
            sweep_all(evaluation, pairs, sweeps)
        else:
            with open_executor(evaluation, executor, n_workers, ray_address) as opened:
                echo_verdicts(evaluation, schedule(evaluation, pairs, probes, opened))


def refuse_with_verdict(tier: str, options: Mapping[str, Any]) -> None:
    """Check that tier ``verdict`` gets no option that it does not have; ``options`` has their values by name.

    Raises:
        UsageError: there is one.
    """
    from unconceal.errors import UsageError

    for name, value in options.items():
        if value and tier == "verdict":
            consequence = "cannot be combined: this tier stops as soon as a verdict is reached"
            raise UsageError("sequential.other-option", f"--tier verdict with {name}", consequence, f"leave {name} out, or use --tier full")


def echo_forecast(evaluation: Evaluation, pairs: Evaluations, probes: bool, sweeps: Sequence[str], workers: int) -> None:
    """Print what a run would take."""
    from unconceal.estimate.forecast import forecast
    from unconceal.estimate.runtime import runtime_estimate
    from unconceal.estimate.sweep_forecast import forecast_sweep
    from unconceal.evaluation.run_sweep import read_axes

    workload = forecast_sweep(evaluation, pairs, read_axes(sweeps)) if sweeps else forecast(evaluation, pairs, probes)
    echo_rows(list(workload.table()), as_json=False)
    click.echo("\n".join(runtime_estimate(evaluation, workload, workers)))
