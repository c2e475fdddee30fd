"""``python -m unconceal_lab judge-agreement``: compare the concept judge with the drawings classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from unconceal.cli.options import root_option
from unconceal.paths import DataRoot
from unconceal_lab.cli.options import work_option


@click.command()
@work_option
@click.option(
    "--tier", type=click.Choice(["quick", "full"]), default="full", show_default=True, help="Tier whose stored images are judged."
)
@click.option("--threads", type=click.IntRange(1), help="Processor threads that generated the images; default: all cores.")
@click.option("--write", type=click.Path(dir_okay=False, path_type=Path), help="Also write the page to this file.")
@root_option
def command(work: Path, tier: Any, threads: int | None, write: Path | None, root: Path | None) -> None:
    """Compare the answers of both on the stored images of every task and submission.

    \b
    Example:  python -m unconceal_lab judge-agreement --tier quick
    """
    from unconceal.evaluation.environment import usable_cores
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.specs.loader import all_submissions, all_tasks, load_suite
    from unconceal_lab.build.build_dir import BuildDir
    from unconceal_lab.reports.judge_agreement import agreement_page

    data = DataRoot.find(root)
    evaluation = Evaluation(load_suite(data, "miniature"), data, tier, threads=threads or usable_cores())
    tasks = [task for task in all_tasks(data) if task.suite == evaluation.suite.name]
    submissions = [submission for submission in all_submissions(data) if submission.suite == evaluation.suite.name]
    pairs = [(task, submission) for task in tasks for submission in submissions if task.id in submission.checkpoints]
    text = agreement_page(evaluation, pairs, BuildDir(work).image_classifier)
    click.echo(text)
    if write:
        write.write_text(text, encoding="utf-8")
