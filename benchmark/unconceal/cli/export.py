"""``unconceal export``: rows for other programs and for papers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import index_option, load_tables, root_option, version_options
from unconceal.errors import UsageError
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal.exports.latex import LatexStyle
    from unconceal.leaderboard.sources import Sources
    from unconceal.results.result_tables import ResultTable

FORMATS = ("csv", "json", "latex", "bibtex", "eval-results", "every-eval-ever", "inspect")


@click.command()
@click.option("--format", "form", type=click.Choice(FORMATS), required=True)
@version_options
@click.option("--task", help="Only this task, e.g. object/star.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="A file; a folder for eval-results, every-eval-ever and inspect; without it standard output.",
)
@click.option("--width", type=click.Choice(["column", "page"]), default="page", show_default=True, help="For latex: width of the tables.")
@click.option("--columns", help="For latex: scores in the cells, e.g. excess,presence,retain_drop; default: the one that ranks.")
@click.option("--dataset", help="For eval-results: the benchmark's dataset on the Hub, owner/name.")
@click.option("--revision", help="For eval-results: the dataset's commit.")
@index_option
@root_option
def command(
    form: str,
    suite: str | None,
    version: int | None,
    task: str | None,
    out: Path | None,
    width: Any,
    columns: str | None,
    dataset: str | None,
    revision: str | None,
    index: Path | None,
    root: Path | None,
) -> None:
    """Write one version's rows: CSV, JSON, LaTeX, BibTeX, the Hub's evaluation results, Every Eval Ever or Inspect.

    \b
    Example:  unconceal export --format csv --out results.csv
              unconceal export --format latex --suite miniature --version 2 --width column
              unconceal export --format eval-results --dataset me/unconceal-results --out eval
              unconceal export --format every-eval-ever --out datastore
              unconceal export --format inspect --out logs
    """
    data = DataRoot.find(root)
    loaded, sources = load_tables(data, index, whole=True, suite=suite, version=version)
    tables = [table for table in loaded if task in (None, table.task)]
    if not tables:
        selection = f"--task {task}" if task else "results/"
        raise UsageError("export.no-record", selection, "has no records, so there is nothing to export", "make some with `unconceal run`")
    if form == "eval-results":
        write_eval_results(tables, dataset, revision, out)
        return
    if form in ("every-eval-ever", "inspect"):
        write_logs(form, tables, data, out)
        return
    text = exported(form, tables, sources, data.results.parent, latex_style(width, columns, tables))
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8", newline="\n")
        click.echo(f"wrote {out}")


def latex_style(width: Any, columns: str | None, tables: Sequence[ResultTable]) -> LatexStyle:
    """How LaTeX tables look.

    Raises:
        UsageError: a column is no score of any row.
    """
    from unconceal.exports.latex import LatexStyle

    names = tuple(name.strip() for name in (columns or "").split(",") if name.strip())
    known = {name for table in tables for row in table.rows for name in row.record.scores}
    for name in names:
        if name not in known:
            raise UsageError(
                "export.unknown-column", f"--columns {name}", "is no score of these rows", f"name some of: {', '.join(sorted(known)[:8])}"
            )
    return LatexStyle(width, names)


def exported(form: str, tables: Sequence[ResultTable], sources: Sources, beside: Path, style: LatexStyle) -> str:
    """One text for all tables."""
    from unconceal.exports import bibtex, csv_table, latex
    from unconceal.leaderboard.markdown import row_objects

    if form == "json":
        return json.dumps(row_objects(tables, sources, beside), indent=2, ensure_ascii=False) + "\n"
    if form == "bibtex":
        return bibtex.export(tables, sources, beside)
    return latex.export(tables, sources, style) if form == "latex" else csv_table.export(tables, sources)


def write_eval_results(tables: Sequence[ResultTable], dataset: str | None, revision: str | None, out: Path | None) -> None:
    """One file a submission, to be put into the model's repository."""
    from unconceal.exports.eval_results import eval_result_files
    from unconceal.files import write_below

    if dataset is None or out is None:
        missing = "--dataset" if dataset is None else "--out"
        raise UsageError(
            "export.missing-option", f"eval-results without {missing}", "says too little to be written", f"give {missing}, see --help"
        )
    for relative_path, text in eval_result_files(tables, dataset, revision).items():
        click.echo(str(write_below(out, relative_path, text)))


def write_logs(form: str, tables: Sequence[ResultTable], data: DataRoot, out: Path | None) -> None:
    """A file or two for each record, in the formats that other tools collect."""
    from unconceal.exports.every_eval_ever import every_eval_ever_files
    from unconceal.exports.inspect_log import inspect_logs
    from unconceal.files import write_below
    from unconceal.specs.loader import all_submissions

    if out is None:
        raise UsageError("export.missing-option", f"{form} without --out", "has no folder to write to", "give --out, see --help")
    if form == "inspect":
        files = inspect_logs(tables)
    else:
        files = every_eval_ever_files(tables, {(submission.suite, submission.name): submission for submission in all_submissions(data)})
    for relative_path, text in files:
        click.echo(str(write_below(out, relative_path, text)))
