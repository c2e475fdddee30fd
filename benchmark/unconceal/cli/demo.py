"""``unconceal demo``: three unlearned checkpoints of one task, from images to verdicts, in a few minutes."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import click

from unconceal.cli.options import root_option
from unconceal.paths import DataRoot

SUITE, TASK = "miniature", "object/star"
TIER: Literal["quick"] = "quick"
SUBMISSIONS = ("esd-x", "uce", "decouple-to-other")
"""A fine-tune, a closed-form edit, and pure concealment by construction."""


@click.command()
@click.option("--threads", type=click.IntRange(1), help="Processor threads; default: all cores.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True, help="Folder of the reports."
)
@root_option
def command(threads: int | None, out: Path, root: Path | None) -> None:
    """Evaluate three submissions of one task at the quick tier, against the shipped records of the controls.

    Writes its own records under OUT/records and leaves results/ alone. Run it again and it resumes.

    \b
    Example:  unconceal demo
    """
    import shutil

    from unconceal.specs.loader import load_submission, load_suite, load_task

    started = time.monotonic()
    data = DataRoot.find(root)
    suite, task = load_suite(data, SUITE), load_task(data, f"{SUITE}:{TASK}")
    records = out / "records"
    own = records / suite.id / TASK
    own.mkdir(parents=True, exist_ok=True)
    for folder in data.result_folders:
        for path in sorted((folder / suite.id / TASK).glob(f"control-*.{suite.protocol}-{TIER}.*")):
            shutil.copyfile(path, own / path.name)
    click.echo(f"Task: {task.title}. θ is a diffusion model that draws it; three ways to unlearn it are put to the test.")
    from unconceal.evaluation.environment import usable_cores
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.execution.scheduler import schedule
    from unconceal.leaderboard.markdown import terminal_table
    from unconceal.leaderboard.sources import Sources
    from unconceal.progress import progress
    from unconceal.results.result_tables import load_all_tables
    from unconceal.site.report import write_reports

    demo = replace(data, results=records)
    with progress() as progress_bar:
        evaluation = Evaluation(suite, demo, TIER, threads=threads or usable_cores(), progress=progress_bar)
        results = schedule(evaluation, [(task, load_submission(demo, f"{SUITE}/{name}")) for name in SUBMISSIONS])
        tables = load_all_tables((records,))
        selection = [(table, row) for table in tables for name in SUBMISSIONS if (row := table.find(name))]
        pages = list(write_reports(selection, Sources(demo), out))
    for table in tables:
        click.echo(terminal_table(table))
    for record in results:
        click.echo(f"\n{record.submission}: {record.verdict.title} ({record.verdict.reason})")
    click.echo(f"\nImages and curves: {', '.join(map(str, pages))}")
    click.echo(f"Done in {(time.monotonic() - started) / 60:.1f} minutes.")
