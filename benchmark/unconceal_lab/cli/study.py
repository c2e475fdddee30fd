"""``python -m unconceal_lab study``: measure the models of the validation study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from unconceal.cli.options import echo_rows, root_option
from unconceal.paths import DataRoot
from unconceal_lab.cli.options import reports_option, work_option

if TYPE_CHECKING:
    from unconceal_lab.study.measure_models import MeasurementJob


@click.command()
@work_option
@reports_option
@click.option("--task", "tasks", multiple=True, metavar="ID", help="Only the models of this task; repeatable.")
@click.option("--kind", "kinds", multiple=True, help="Only models of this kind, e.g. gold; repeatable.")
@click.option("--model", "models", metavar="NAME", multiple=True, help="Only this model, e.g. esd-x-7; repeatable.")
@click.option("--stage", "stages", multiple=True, help="Only this stage: presence, scores or relearning; repeatable.")
@click.option("--setting", default="", help='Measure under another setting, e.g. "50 steps" or "judge 2".')
@click.option("--plan", is_flag=True, help="Print what is left and the hours it takes, and stop.")
@root_option
def command(
    work: Path,
    reports: Path,
    tasks: tuple[str, ...],
    kinds: tuple[str, ...],
    models: tuple[str, ...],
    stages: tuple[str, ...],
    setting: str,
    plan: bool,
    root: Path | None,
) -> None:
    """Measure every model of the validation study: known truths, published unlearners, graded series.

    The same command resumes. Several processes can share the work. Rows stored beside the page count as measured.

    \b
    Example:  python -m unconceal_lab study --plan
    """
    from unconceal.progress import progress
    from unconceal.specs.loader import load_suite
    from unconceal_lab.build.build_dir import BuildDir
    from unconceal_lab.study.measure_models import pending_jobs, run_jobs
    from unconceal_lab.study.population import members_under
    from unconceal_lab.study.settings import SETTINGS
    from unconceal_lab.study.stages import STAGES
    from unconceal_lab.study.study import Study
    from unconceal_lab.study.study_rows import read_rows
    from unconceal_lab.study.validation_page import rows_path

    refuse_unknown("setting", [setting], list(SETTINGS))
    members = members_under(setting)
    refuse_unknown("task", tasks, [member.task for member in members])
    refuse_unknown("kind", kinds, [member.kind for member in members])
    refuse_unknown("model", models, [member.name for member in members])
    refuse_unknown("stage", stages, [stage.name for stage in STAGES])
    data = DataRoot.find(root)
    with progress() as display:
        build_dir, suite = BuildDir(work, progress=display), load_suite(data, "miniature")
        study = Study.open(build_dir, data, suite, read_rows(rows_path(reports)), setting)
        filters = ((tasks, "task"), (kinds, "kind"), (models, "name"))
        selected = [member for member in members if all(not names or getattr(member, field) in names for names, field in filters)]
        jobs = [job for job in pending_jobs(study, selected) if not stages or job.stage.name in stages]
        if plan:
            echo_rows(job_table(jobs), as_json=False, empty="nothing is left to measure")
        else:
            run_jobs(study, jobs)


def refuse_unknown(option: str, names: Sequence[str], known_names: Sequence[str]) -> None:
    """Raise UsageError for a name that the study does not have."""
    from unconceal.errors import UsageError

    for name in names:
        if name not in known_names:
            remedy = f"use {', '.join(dict.fromkeys(known_names))}"
            raise UsageError("study.unknown-name", f"{option} {name!r}", "does not exist in the study", remedy)


def job_table(jobs: Sequence[MeasurementJob]) -> list[dict[str, object]]:
    """A row per stage and kind of model: number of jobs left, and processor hours on one thread."""
    rows: list[dict[str, object]] = []
    keys = list(dict.fromkeys((job.stage.name, job.member.kind) for job in jobs))
    for stage, kind in [*keys, *([("all", "all")] if keys else [])]:
        minutes = [job.minutes for job in jobs if stage == "all" or (job.stage.name, job.member.kind) == (stage, kind)]
        rows.append({"stage": stage, "kind": kind, "left": len(minutes), "CPU hours": round(sum(minutes) / 60, 1)})
    return rows
