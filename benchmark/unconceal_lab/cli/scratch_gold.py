"""``python -m unconceal_lab scratch-gold``: compare the gold trained from scratch with the continued golds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from unconceal.cli.options import root_option
from unconceal.paths import DataRoot
from unconceal_lab.cli.options import reports_option, work_option


@click.command()
@work_option
@click.option("--tier", type=click.Choice(["quick", "full"]), default="full", show_default=True, help="Tier.")
@click.option("--threads", type=click.IntRange(1), help="Processor threads; default: all cores.")
@reports_option
@root_option
def command(work: Path, tier: Any, threads: int | None, reports: Path, root: Path | None) -> None:
    """Measure presence over ψ of the gold trained from scratch and write the page and its figure.

    \b
    Example:  python -m unconceal_lab scratch-gold --reports docs/reports
    """
    from unconceal.evaluation.environment import usable_cores
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.specs.loader import load_suite, load_task
    from unconceal_lab.build.build_dir import BuildDir
    from unconceal_lab.build.recipe import TASKS
    from unconceal_lab.reports.scratch_gold_check import FIGURE, PAGE, figure, measure_curves, page

    data, build_dir = DataRoot.find(root), BuildDir(work)
    evaluation = Evaluation(load_suite(data, "miniature"), data, tier, threads=threads or usable_cores())
    concept, category = next(iter(TASKS.items()))
    task = load_task(data, f"miniature:{category}/{concept}")
    curves = measure_curves(build_dir, evaluation, task)
    figure(evaluation, task, curves, reports / FIGURE)
    (reports / PAGE).write_text(page(evaluation, task, curves, build_dir.recipe.scratch_steps), encoding="utf-8")
    click.echo(f"{reports / PAGE}: written")
