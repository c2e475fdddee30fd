"""``unconceal export``: rows for other programs and for papers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from unconceal.cli.options import index_option, load_tables, root_option
from unconceal.errors import UsageError
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal.leaderboard.sources import Sources
    from unconceal.results.result_tables import ResultTable

FORMATS = ("csv", "json", "latex", "bibtex", "eval-results", "every-eval-ever", "inspect")


@click.command()
@click.option("--format", "form", type=click.Choice(FORMATS), required=True)
@click.option("--suite", help="Only this suite.")
@click.option("--task", help="Only this task, e.g. object/star.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="A file; a folder for eval-results, every-eval-ever and inspect; without it standard output.",
)
@click.option("--dataset", help="For eval-results: the benchmark's dataset on the Hub, owner/name.")
@click.option("--revision", help="For eval-results: the dataset's commit.")
@index_option
@root_option
def command(
    form: str,
    suite: str | None,
    task: str | None,
    out: Path | None,
    dataset: str | None,
    revision: str | None,
    index: Path | None,
    root: Path | None,
) -> None:
    """Write the newest version's rows as CSV, JSON, LaTeX, BibTeX, as the Hub's evaluation results, for Every Eval Ever or Inspect.

    \b
    Example:  unconceal export --format csv --out results.csv
              unconceal export --format latex --suite miniature
              unconceal export --format eval-results --dataset me/unconceal-results --out eval
              unconceal export --format every-eval-ever --out datastore
              unconceal export --format inspect --out logs
    """
    data = DataRoot.find(root)
    tables, sources = load_tables(data, index, whole=True)
    boards = [board for board in tables if suite in (None, board.suite) and task in (None, board.task)]
    if not boards:
        selection = " ".join(part for part in (suite and f"--suite {suite}", task and f"--task {task}") if part) or "results/"
        raise UsageError("export.no-record", selection, "has no records, so there is nothing to export", "make some with `unconceal run`")
    if form == "eval-results":
        write_eval_results(boards, dataset, revision, out)
        return
    if form in ("every-eval-ever", "inspect"):
        write_logs(form, boards, data, out)
        return
    text = exported(form, boards, sources, data.results.parent)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8", newline="\n")
        click.echo(f"wrote {out}")


def exported(form: str, boards: Sequence[ResultTable], sources: Sources, beside: Path) -> str:
    """One text for all boards."""
    from unconceal.exports import bibtex, csv_table, latex
    from unconceal.leaderboard.markdown import row_objects

    if form == "json":
        return json.dumps(row_objects(boards, sources, beside), indent=2, ensure_ascii=False) + "\n"
    if form == "bibtex":
        return bibtex.export(boards, sources, beside)
    return latex.export(boards, sources) if form == "latex" else csv_table.export(boards, sources)


def write_eval_results(boards: Sequence[ResultTable], dataset: str | None, revision: str | None, out: Path | None) -> None:
    """One file a submission, to be put into the model's repository."""
    from unconceal.exports.eval_results import eval_result_files
    from unconceal.files import write_below

    if dataset is None or out is None:
        missing = "--dataset" if dataset is None else "--out"
        raise UsageError(
            "export.missing-option", f"eval-results without {missing}", "says too little to be written", f"give {missing}, see --help"
        )
    for relative_path, text in eval_result_files(boards, dataset, revision).items():
        click.echo(str(write_below(out, relative_path, text)))


def write_logs(form: str, boards: Sequence[ResultTable], data: DataRoot, out: Path | None) -> None:
    """A file or two for each record, in the formats that other tools collect."""
    from unconceal.exports.every_eval_ever import every_eval_ever_files
    from unconceal.exports.inspect_log import inspect_logs
    from unconceal.files import write_below
    from unconceal.specs.loader import all_submissions

    if out is None:
        raise UsageError("export.missing-option", f"{form} without --out", "has no folder to write to", "give --out, see --help")
    submissions = {(submission.suite, submission.name): submission for submission in all_submissions(data)}
    files = every_eval_ever_files(boards, submissions) if form == "every-eval-ever" else inspect_logs(boards)
    for relative_path, text in files:
        click.echo(str(write_below(out, relative_path, text)))
