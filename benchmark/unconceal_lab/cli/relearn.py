"""``python -m unconceal_lab relearn``: train submissions on drawings of the concept."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import root_option
from unconceal.paths import DataRoot
from unconceal_lab.cli.options import reports_option


@click.command()
@click.argument("submissions", nargs=-1, required=True)
@click.option("--task", "task_id", required=True, help="Task, e.g. object/star.")
@reports_option
@root_option
def command(submissions: tuple[str, ...], task_id: str, reports: Path, root: Path | None) -> None:
    """Measure how fast submissions learn a task's concept from drawings: a truth that no probe of the product uses.

    \b
    Example:  python -m unconceal_lab relearn esd-x control-gold-1 --task object/star
    """
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.progress import progress
    from unconceal.specs.loader import load_submission, load_suite, load_task
    from unconceal_lab.study.drawings_relearning import FILE, measure_curve, read_curves, write_curve

    data = DataRoot.find(root)
    task = load_task(data, f"miniature:{task_id}")
    with progress() as bar:
        evaluation = Evaluation(load_suite(data, "miniature"), data, threads=1, progress=bar)
        for name in submissions:
            submission = load_submission(data, f"miniature/{name}")
            stored = read_curves(reports / FILE).get((task.id, name))
            if stored is not None and stored.weights == evaluation.weights_digest(task, submission):
                bar.log(f"{name} on {task.id}: measured before")
                continue
            curve = measure_curve(evaluation, task, submission)
            write_curve(curve, reports / FILE)
            click.echo(f"{name} on {task.id}: " + ", ".join(f"{rate:.2f}" for rate in curve.rates) + f" after {curve.steps} steps")
