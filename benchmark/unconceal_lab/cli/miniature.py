"""``unconceal miniature``: build the embedded suite's models from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import echo_rows, root_option
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal_lab.study.measure_models import Job

WORK = Path.home() / ".cache" / "unconceal" / "miniature"


@click.group()
def command() -> None:
    """Build the miniature suite's models, unlearners and judges."""


@command.command()
@click.option(
    "--work", type=click.Path(file_okay=False, path_type=Path), default=WORK, show_default=True, help="Where the build works and resumes."
)
@click.option("--only", multiple=True, help="Make only this thing, e.g. base or gold-arrow-zigzag-1; repeatable.")
@click.option("--scratch", is_flag=True, help="Train everything anew; without it, VAE, ancestor and base are taken from the package.")
@click.option("--list", "listed", is_flag=True, help="List the steps, what is made and what it took, and stop.")
@click.option("--ship", is_flag=True, help="Afterwards copy what is shipped into the package and submissions/, and write docs/gates.md.")
def build(work: Path, only: tuple[str, ...], scratch: bool, listed: bool, ship: bool) -> None:
    """Train everything that is missing, one step after the other, on one thread. The same command resumes.

    \b
    Example:  unconceal miniature build --only base
    """
    from unconceal.progress import progress
    from unconceal_lab.build.build_dir import BuildDir

    with progress() as shown:
        shop = BuildDir(work, progress=shown)
        from unconceal_lab.build import steps

        if listed:
            rows = [
                {
                    "step": step.output,
                    "expected CPU min": step.minutes,
                    "took": shop.minutes.get(step.output),
                    "made": shop.exists(step.output),
                }
                for step in steps.build_steps(shop)
            ]
            echo_rows(rows, as_json=False)
            return
        steps.run_build(shop, only, scratch)
        if ship:
            from unconceal_lab.build.ship import ship_all

            ship_all(shop)


@command.command()
@click.option("--work", type=click.Path(exists=True, file_okay=False, path_type=Path), default=WORK, show_default=True, help="The build's.")
@click.option("--tier", type=click.Choice(["lite", "full"]), default="full", show_default=True, help="Whose pictures are looked at.")
@click.option("--threads", type=click.IntRange(1), help="Processor threads that generated them; default: all cores.")
@click.option("--write", type=click.Path(dir_okay=False, path_type=Path), help="Write the table there, too.")
@root_option
def agreement(work: Path, tier: Any, threads: int | None, write: Path | None, root: Path | None) -> None:
    """Hold the concept judge against the drawings classifier, on the stored pictures of every row.

    \b
    Example:  unconceal miniature agreement --tier lite
    """
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.evaluation.environment import usable_cores
    from unconceal.specs.loader import all_submissions, all_tasks, load_suite
    from unconceal_lab.build.build_dir import BuildDir
    from unconceal_lab.reports import judge_agreement

    data = DataRoot.find(root)
    evaluation = Evaluation(load_suite(data, "miniature"), data, tier, threads=threads or usable_cores())
    tasks = [task for task in all_tasks(data) if task.suite == evaluation.suite.name]
    rows = [submission for submission in all_submissions(data) if submission.suite == evaluation.suite.name]
    pairs = [(task, submission) for task in tasks for submission in rows if task.id in submission.checkpoints]
    text = judge_agreement.table(evaluation, pairs, BuildDir(work).image_classifier)
    click.echo(text)
    if write:
        write.write_text(text, encoding="utf-8")


docs_option = click.option(
    "--docs", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Where page, pictures and rows lie."
)


@command.command()
@click.option("--work", type=click.Path(exists=True, file_okay=False, path_type=Path), default=WORK, show_default=True, help="The build's.")
@docs_option
@click.option("--task", "tasks", multiple=True, metavar="ID", help="Measure the models of this task only; repeatable.")
@click.option("--kind", "kinds", multiple=True, help="Measure models of this kind only, e.g. gold; repeatable.")
@click.option("--model", "models", metavar="NAME", multiple=True, help="Measure this model only, e.g. esd-x-7; repeatable.")
@click.option("--stage", "stages", multiple=True, help="Measure this only: presence, scores or relearning; repeatable.")
@click.option("--setting", default="", help='Measure some models with something else than in the suite, e.g. "50 steps" or "judge 2".')
@click.option("--plan", is_flag=True, help="Print what is left and the hours it takes, and stop.")
@root_option
def study(
    work: Path,
    docs: Path,
    tasks: tuple[str, ...],
    kinds: tuple[str, ...],
    models: tuple[str, ...],
    stages: tuple[str, ...],
    setting: str,
    plan: bool,
    root: Path | None,
) -> None:
    """Measure every model of the validation study: known truths, reference unlearners, graded series.

    The same command resumes; started several times, its processes share the work. Rows beside the page count as measured.

    \b
    Example:  unconceal miniature study --docs docs --plan
    """
    from unconceal.progress import progress
    from unconceal.specs.loader import load_suite
    from unconceal_lab.build.build_dir import BuildDir
    from unconceal_lab.study.measure_models import left, run
    from unconceal_lab.study.population import measured_under
    from unconceal_lab.study.settings import SETTINGS
    from unconceal_lab.study.stages import STAGES
    from unconceal_lab.study.study import Study
    from unconceal_lab.study.study_rows import read_rows
    from unconceal_lab.study.validation_page import rows_file

    refuse_unknown("setting", [setting], list(SETTINGS))
    every = measured_under(setting)
    refuse_unknown("task", tasks, [member.task for member in every])
    refuse_unknown("kind", kinds, [member.kind for member in every])
    refuse_unknown("model", models, [member.name for member in every])
    refuse_unknown("stage", stages, [stage.name for stage in STAGES])
    data = DataRoot.find(root)
    with progress() as shown:
        study = Study.of(BuildDir(work, progress=shown), data, load_suite(data, "miniature"), read_rows(rows_file(docs)), setting)
        asked = ((tasks, "task"), (kinds, "kind"), (models, "name"))
        wanted = [member for member in every if all(not names or getattr(member, of) in names for names, of in asked)]
        jobs = [job for job in left(study, wanted) if not stages or job.stage.name in stages]
        if plan:
            echo_rows(planned(jobs), as_json=False, empty="nothing is left to measure")
        else:
            run(study, jobs)


def refuse_unknown(what: str, asked: Sequence[str], known: Sequence[str]) -> None:
    """Raise UsageError for a name that the study does not know."""
    from unconceal.errors import UsageError

    for name in asked:
        if name not in known:
            raise UsageError("study.unknown-name", f"{what} {name!r}", "is none of the study's", f"use {', '.join(dict.fromkeys(known))}")


@command.command()
@click.option(
    "--work", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The study's: what is measured there is gathered first."
)
@docs_option
@root_option
def validation(work: Path | None, docs: Path, root: Path | None) -> None:
    """Write what the validation study found, from its rows beside the page.

    \b
    Example:  unconceal miniature validation --docs docs
    """
    from unconceal.errors import CheckFailed
    from unconceal.specs.loader import load_suite
    from unconceal_lab.build.build_dir import BuildDir
    from unconceal_lab.study import validation_page
    from unconceal_lab.study.population import measured_under
    from unconceal_lab.study.settings import SETTINGS
    from unconceal_lab.study.study import Study
    from unconceal_lab.study.study_rows import read_rows, write_rows

    data = DataRoot.find(root)
    suite, stored = load_suite(data, "miniature"), validation_page.rows_file(docs)
    rows = read_rows(stored)
    if work is not None:
        for setting in SETTINGS:
            rows = Study.of(BuildDir(work), data, suite, rows, setting).rows(measured_under(setting))
        write_rows(rows, stored)
    if not rows:
        raise CheckFailed(
            "study.no-rows", str(stored), "holds no row, so nothing was found", "measure with `unconceal miniature study`, then name --work"
        )
    validation_page.write(rows, suite.scores, docs)
    click.echo(f"{docs / validation_page.PAGE}: written from {len(rows)} rows")


def planned(jobs: Sequence[Job]) -> list[dict[str, object]]:
    """A row per stage and kind of model: how many measurements are left, and processor hours on one thread."""
    rows: list[dict[str, object]] = []
    for stage, kind in [*dict.fromkeys((job.stage.name, job.member.kind) for job in jobs), ("all", "all")]:
        of = [job.minutes for job in jobs if stage == "all" or (job.stage.name, job.member.kind) == (stage, kind)]
        if of:
            rows.append({"stage": stage, "kind": kind, "left": len(of), "CPU hours": round(sum(of) / 60, 1)})
    return rows


@command.command()
@click.option("--work", type=click.Path(exists=True, file_okay=False, path_type=Path), default=WORK, show_default=True, help="The build's.")
@click.option("--tier", type=click.Choice(["lite", "full"]), default="full", show_default=True, help="How many pictures are drawn.")
@click.option("--threads", type=click.IntRange(1), help="Processor threads; default: all cores.")
@click.option("--docs", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Where page and picture go.")
@root_option
def shortcut(work: Path, tier: Any, threads: int | None, docs: Path, root: Path | None) -> None:
    """Hold the gold that was trained from nothing against those that continue from the ancestor, and write the page.

    \b
    Example:  unconceal miniature shortcut --docs docs
    """
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.evaluation.environment import usable_cores
    from unconceal.specs.loader import load_suite, load_task
    from unconceal_lab.build.build_dir import BuildDir
    from unconceal_lab.build.recipe import TASKS
    from unconceal_lab.reports import scratch_gold_check as comparing

    data, shop = DataRoot.find(root), BuildDir(work)
    evaluation = Evaluation(load_suite(data, "miniature"), data, tier, threads=threads or usable_cores())
    concept, category = next(iter(TASKS.items()))
    task = load_task(data, f"miniature:{category}/{concept}")
    curves = comparing.drawn(shop, evaluation, task)
    comparing.figure(evaluation, task, curves, docs / comparing.PICTURE)
    (docs / comparing.PAGE).write_text(comparing.page(evaluation, task, curves, shop.recipe.scratch_steps), encoding="utf-8")
    click.echo(f"{docs / comparing.PAGE}: written")


@command.command("word-shapes")
@click.argument("task")
@root_option
def word_shapes(task: str, root: Path | None) -> None:
    """Print what the spelling of names alone says of a task's neighbours: a weak probe set to hold language models against.

    \b
    Example:  unconceal miniature word-shapes object/star > replies.txt
              unconceal probes elicit object/star --from-replies replies.txt --model word-shape
    """
    from unconceal.specs.loader import load_task
    from unconceal_lab.build.spelling_ranker import reply

    click.echo(reply(load_task(DataRoot.find(root), task)))
