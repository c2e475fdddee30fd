"""``unconceal miniature``: build the embedded suite's models from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import echo_rows, root_option
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal.miniature.study.measuring import Study
    from unconceal.miniature.study.population import Member

WORK = Path.home() / ".cache" / "unconceal" / "miniature"


@click.group()
def command() -> None:
    """Build the miniature suite's models, unlearners and judges."""


@command.command()
@click.option(
    "--work", type=click.Path(file_okay=False, path_type=Path), default=WORK, show_default=True, help="Where the build works and resumes."
)
@click.option("--only", multiple=True, help="Make only this thing, e.g. base or gold-star-1; repeatable.")
@click.option("--scratch", is_flag=True, help="Train everything anew; without it, VAE, ancestor and base are taken from the package.")
@click.option("--list", "listed", is_flag=True, help="List the steps, what is made and what it took, and stop.")
@click.option("--ship", is_flag=True, help="Afterwards copy what is shipped into the package and submissions/, and write docs/gates.md.")
def build(work: Path, only: tuple[str, ...], scratch: bool, listed: bool, ship: bool) -> None:
    """Train everything that is missing, one step after the other, on one thread. The same command resumes.

    \b
    Example:  unconceal miniature build --only base
    """
    from unconceal.miniature.building.workshop import Workshop
    from unconceal.progress import progress

    with progress() as shown:
        shop = Workshop(work, progress=shown)
        from unconceal.miniature.building import steps

        if listed:
            rows = [
                {"step": step.makes, "expected CPU min": step.minutes, "took": shop.minutes.get(step.makes), "made": shop.made(step.makes)}
                for step in steps.steps(shop)
            ]
            echo_rows(rows, as_json=False)
            return
        steps.build(shop, only, scratch)
        if ship:
            from unconceal.miniature.building.shipping import ship_all

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
    from unconceal.evaluation.machine import usable_cores
    from unconceal.evaluation.run import Evaluation
    from unconceal.miniature.building import agreement
    from unconceal.miniature.building.workshop import Workshop
    from unconceal.specs.reading import all_submissions, all_tasks, load_suite

    data = DataRoot.find(root)
    evaluation = Evaluation(load_suite(data, "miniature"), data, tier, threads=threads or usable_cores())
    tasks = [task for task in all_tasks(data) if task.suite == evaluation.suite.name]
    rows = [submission for submission in all_submissions(data) if submission.suite == evaluation.suite.name]
    pairs = [(task, submission) for task in tasks for submission in rows if task.id in submission.checkpoints]
    text = agreement.table(evaluation, pairs, Workshop(work).truth)
    click.echo(text)
    if write:
        write.write_text(text, encoding="utf-8")


@command.command()
@click.option("--work", type=click.Path(exists=True, file_okay=False, path_type=Path), default=WORK, show_default=True, help="The build's.")
@click.option("--task", "only", multiple=True, metavar="ID", help="Measure the models of this task only; repeatable.")
@click.option("--plan", is_flag=True, help="Print what is measured, what is left and the hours it takes, and stop.")
@root_option
def study(work: Path, only: tuple[str, ...], plan: bool, root: Path | None) -> None:
    """Measure every model of the validation study: known truths, reference unlearners, graded series.

    The same command resumes; started several times, its processes share the work.

    \b
    Example:  unconceal miniature study --plan
    """
    from unconceal.errors import UsageError
    from unconceal.miniature.building.workshop import Workshop
    from unconceal.miniature.study import surrogates
    from unconceal.miniature.study.measuring import Study, run
    from unconceal.miniature.study.population import trainings_missing, members
    from unconceal.progress import progress
    from unconceal.specs.reading import load_suite

    data = DataRoot.find(root)
    with progress() as shown:
        study = Study.of(Workshop(work, progress=shown), data, load_suite(data, "miniature"))
        wanted = [member for member in members() if not only or member.task in only]
        if not wanted:
            raise UsageError(f"task {only[0]!r}", "is none of the study's", f"use {', '.join(dict.fromkeys(m.task for m in members()))}")
        if plan:
            echo_rows(planned(study, wanted), as_json=False)
            return
        missing = trainings_missing(study.shop)
        if missing:
            raise UsageError(", ".join(missing), "are not trained yet", f"run `unconceal miniature build --only {missing[0]}` and so on")
        run(study, wanted)
        surrogates.run(study, wanted)


@command.command()
@click.option(
    "--work", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The study's: its rows are gathered anew first."
)
@click.option("--docs", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Where page and pictures go.")
@root_option
def validation(work: Path | None, docs: Path, root: Path | None) -> None:
    """Write what the validation study found, from its rows beside the page.

    \b
    Example:  unconceal miniature validation --docs docs
    """
    from unconceal.errors import CheckFailed
    from unconceal.miniature.building.workshop import Workshop
    from unconceal.miniature.study import page
    from unconceal.miniature.study.measuring import Study
    from unconceal.miniature.study.population import members
    from unconceal.miniature.study.rows import read_rows, rows_of, surrogate_rows, write_rows
    from unconceal.progress import progress
    from unconceal.specs.reading import load_suite

    data = DataRoot.find(root)
    suite, stored = load_suite(data, "miniature"), docs / page.FOLDER / "rows.jsonl"
    if work is not None:
        with progress() as shown:
            study = Study.of(Workshop(work, progress=shown), data, suite)
            write_rows([*rows_of(study, members()), *surrogate_rows(study, members())], stored)
    if not stored.exists() or not (rows := read_rows(stored)):
        raise CheckFailed(str(stored), "holds no row, so nothing was found", "measure with `unconceal miniature study`, then name --work")
    page.write(rows, suite.scores, docs)
    click.echo(f"{docs / page.PAGE}: written from {len(rows)} models")


def planned(study: Study, wanted: Sequence[Member]) -> list[dict[str, object]]:
    """A row per kind of model: how many there are, how many are left, and processor hours on one thread."""
    left = study.left(wanted)
    kinds = dict.fromkeys(member.kind for member in wanted)
    rows: list[dict[str, object]] = []
    for kind in (*kinds, "all"):
        of = [minutes for member, minutes in left if kind in ("all", member.kind)]
        count = sum(kind in ("all", member.kind) for member in wanted)
        rows.append({"kind": kind, "models": count, "left": len(of), "CPU hours": round(sum(of) / 60, 1)})
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
    from unconceal.evaluation.machine import usable_cores
    from unconceal.evaluation.run import Evaluation
    from unconceal.miniature.building import shortcut as comparing
    from unconceal.miniature.building.recipe import TASKS
    from unconceal.miniature.building.workshop import Workshop
    from unconceal.specs.reading import load_suite, load_task

    data, shop = DataRoot.find(root), Workshop(work)
    evaluation = Evaluation(load_suite(data, "miniature"), data, tier, threads=threads or usable_cores())
    concept, category = next(iter(TASKS.items()))
    task = load_task(data, f"miniature:{category}/{concept}")
    curves = comparing.drawn(shop, evaluation, task)
    comparing.figure(evaluation, task, curves, docs / comparing.PICTURE)
    (docs / comparing.PAGE).write_text(comparing.page(evaluation, task, curves, shop.recipe.scratch_steps), encoding="utf-8")
    click.echo(f"{docs / comparing.PAGE}: written")
