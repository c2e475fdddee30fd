"""``unconceal results``: check, compare and mark the records."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from unconceal.cli.options import RUN_TIER_NAMES, echo_rows, json_option, root_option
from unconceal.errors import CheckFailed, UsageError
from unconceal.paths import DataRoot
from unconceal.specs.problems import SpecProblems
from unconceal.specs.record import Record, Verification, read_record, record_path, write_record

TODAY = date.today().isoformat()


def _iso_date(context: click.Context, parameter: click.Parameter, value: datetime) -> str:
    return value.date().isoformat()


@click.group()
def command() -> None:
    """Check the records, compare a re-run, dispute or withdraw a row, take a mark back.

    \b
    Example:  unconceal results check
    """


def row_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a record, the maintainer and the date."""
    for option in (
        click.option(
            "--date", "on", type=click.DateTime(["%Y-%m-%d"]), callback=_iso_date, default=TODAY, help="ISO 8601; default: today."
        ),
        click.option("--by", required=True, help="Name of the maintainer."),
        click.option("--tier", type=click.Choice(RUN_TIER_NAMES), default="full", show_default=True, help="Tier of the record."),
        click.option("--task", required=True, help="The row's task, e.g. object/star."),
    ):
        function = option(function)
    return function


@command.command()
@click.argument("records", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@root_option
@json_option
@click.option("--quick", is_flag=True, help="Do not recompute the aggregates.")
@click.option("--all", "everything", is_flag=True, help="Check also what passed before and did not change since.")
@click.option(
    "--results",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of records instead of results/, e.g. of a fresh re-run.",
)
@click.option(
    "--against",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Earlier results: none may be missing or changed; new records may not claim to be verified, and their weights must be reachable.",
)
def check(
    records: tuple[Path, ...], root: Path | None, as_json: bool, quick: bool, everything: bool, results: Path | None, against: Path | None
) -> None:
    """Check every record, or those named, and list all mistakes: fields, digest, path, specs, controls and recomputed aggregates.

    \b
    Example:  unconceal results check
              unconceal results check --root contribution --against results
              unconceal results check --results rerun
    """
    from unconceal.evaluation.environment import usable_cores
    from unconceal.progress import progress
    from unconceal.results.check_results import check_results
    from unconceal.results.contributions import check_contribution
    from unconceal.results.passed_checks import PassedChecks

    data = DataRoot.find(root)
    data = replace(data, results=results.resolve()) if results else data
    with progress() as progress_bar:
        # A contribution is checked without what an earlier run left on this machine.
        passed = None if everything or against or records else PassedChecks(data)
        count, problems = check_results(data, not quick, [path.resolve() for path in records], progress_bar, usable_cores(), passed)
    problems += check_contribution(data, against) if against else ()
    if as_json:
        click.echo(json.dumps({"records": count, "problems": [asdict(problem) for problem in problems]}, indent=2, default=str))
    if problems:
        raise SpecProblems(problems)
    if not as_json:
        click.echo(f"{count} record{'s' * (count != 1)}, nothing wrong")


@command.command()
@click.argument("submission")
@row_options
@click.option("--with", "rerun", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="The re-run's results.")
@click.option("--write", is_flag=True, help="Write the outcome to the row: rerun if the re-run agrees; otherwise disputed.")
@root_option
@json_option
def compare(submission: str, task: str, tier: str, by: str, on: str, rerun: Path, write: bool, root: Path | None, as_json: bool) -> None:
    """Compare a fresh re-run with the stored record. It agrees if the verdict is equal and the intervals of all headline scores overlap.

    \b
    Example:  unconceal run esd-x --task object/star --fresh --results rerun
              unconceal results compare esd-x --task object/star --with rerun --by maintainer --write
    """
    from unconceal.results.rerun_agreement import compare_scores, disagreement, with_verification

    data = DataRoot.find(root)
    path = _path(data, task, submission, tier)
    stored = read_record(path)
    again = _completed_rerun(data, stored, path, rerun / path.relative_to(data.results), by, on)
    rows = [
        {"score": pair.score, "stored": _text(pair.stored), "again": _text(pair.rerun), "agrees": pair.agrees}
        for pair in compare_scores(stored, again)
    ]
    echo_rows(rows, as_json)
    reason, record = disagreement(stored, again), with_verification(stored, again, by, on, path)
    if write:
        write_record(record, path)
    if reason:
        raise CheckFailed(
            "rerun.disagrees", str(path), reason, "the row is disputed now" if write else "with --write the row becomes disputed"
        )
    if not as_json:
        click.echo(f"the re-run agrees{'; the row is verified now' if write else ''}")


def _completed_rerun(data: DataRoot, stored: Record, stored_path: Path, path: Path, by: str, on: str) -> Record:
    """The fresh re-run of a row, checked and compared with its own golds, which lie beside it."""
    from unconceal.results.fresh_checks import check_draw, drawn_specs
    from unconceal.results.rerun_agreement import check_fresh, check_golds, rerun_record
    from unconceal.specs.loader import load_suite, load_task

    spec = load_task(data, f"{stored.suite}:{stored.task}")
    measured = read_record(path)
    check_fresh(stored, measured, path)
    drawn = drawn_specs(measured, load_suite(data, spec.suite), spec, data)
    paths = {name: path.with_name(f"{name}.{stored.protocol}-{stored.tier}.json") for name in stored.controls}
    golds = {gold_path: read_record(gold_path) for gold_path in paths.values() if gold_path.is_file()}
    for checked_path, record in {path: measured, **golds}.items():
        check_draw(record, drawn, spec, checked_path)
    published = {name: read_record(stored_path.with_name(gold_path.name)) for name, gold_path in paths.items()}
    check_golds(published, measured, golds, path)
    return rerun_record(measured, tuple(golds.values()), *drawn, by, on)


@command.command()
@click.argument("submission")
@row_options
@click.option("--status", type=click.Choice(["disputed", "withdrawn"]), required=True)
@click.option("--reason", required=True, help="The reason, which the leaderboard shows.")
@root_option
def mark(submission: str, task: str, tier: str, by: str, on: str, status: Any, reason: str, root: Path | None) -> None:
    """Dispute or withdraw a row: it stays in the table, unranked, with maintainer, date and reason.

    \b
    Example:  unconceal results mark esd-x --task object/star --status withdrawn --by maintainer --reason "wrong weights released"
    """
    from unconceal.results.marks import with_mark

    path = _path(DataRoot.find(root), task, submission, tier)
    write_record(with_mark(read_record(path), Verification(status=status, by=by, date=on, reason=reason), path), path)
    click.echo(f"{path}: {status}")


@command.command()
@click.argument("submission")
@row_options
@click.option("--reason", required=True, help="The reason, which the record keeps.")
@root_option
def unmark(submission: str, task: str, tier: str, by: str, on: str, reason: str, root: Path | None) -> None:
    """Take a mark back: the row counts again. The record keeps the mark and who took it back.

    \b
    Example:  unconceal results unmark esd-x --task object/star --by maintainer --reason "the right weights were there all along"
    """
    from unconceal.results.marks import without_mark

    path = _path(DataRoot.find(root), task, submission, tier)
    record = without_mark(read_record(path), by, on, reason, path)
    write_record(record, path)
    click.echo(f"{path}: {record.verification.status}")


def _path(data: DataRoot, task: str, submission: str, tier: str) -> Path:
    """Where the record of a row lies: that of the newest suite version which has one, else where the newest would."""
    from unconceal.results.result_tables import suite_versions
    from unconceal.specs.loader import load_suite, load_task

    if data.read_only:
        raise UsageError("results.read-only", "the packaged results", "cannot be changed", "work in a clone, or name a folder with --root")
    spec = load_task(data, task)
    suite = load_suite(data, spec.suite)
    versions = dict.fromkeys([suite.version, *(version for name, version in suite_versions([data.results]) if name == suite.name)])
    paths = [
        record_path(data.results, f"{suite.name}-{suite_version}", spec.id, submission, suite.protocol, tier) for suite_version in versions
    ]
    return next((path for path in paths if path.is_file()), paths[0])


def _text(score: Any) -> str:
    from unconceal.leaderboard.numbers import with_interval

    return with_interval(score)


@command.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--title", required=True, help="Title of the source.")
@click.option("--url", required=True, help="Address of the source.")
@click.option("--location", required=True, help="Where in the source the numbers stand, e.g. a folder.")
@click.option("--name", help="Write results/reported/NAME.yaml; without it the YAML is printed.")
@root_option
def import_scores(files: tuple[Path, ...], title: str, url: str, location: str, name: str | None, root: Path | None) -> None:
    """Read results of others in the format of Every Eval Ever as reported scores: shown with their source, never ranked.

    \b
    Example:  unconceal results import 0b3e5f1c-….json --title "Their run" --url https://example.org --location data/them
    """
    from pydantic import ValidationError

    from unconceal.files import write_below
    from unconceal.results.import_scores import import_scores as read_scores
    from unconceal.specs.reported import FOLDER, Source
    from unconceal.specs.round_trip import yaml_text

    try:
        source = Source(title=title, url=url, location=location)
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise UsageError(
            "import.bad-source", f"--{field}", error.errors()[0]["msg"], "give a title, a location and an https:// address"
        ) from error
    text = yaml_text(read_scores(files, source).content())
    if name is None:
        click.echo(text, nl=False)
    else:
        click.echo(str(write_below(DataRoot.find(root).results, f"{FOLDER}/{name}.yaml", text)))
