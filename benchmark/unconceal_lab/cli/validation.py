"""``python -m unconceal_lab validation``: write the page of the validation study."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import root_option
from unconceal.paths import DataRoot
from unconceal_lab.cli.options import reports_option


@click.command()
@click.option(
    "--work", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Build directory; collect the rows measured in it first."
)
@reports_option
@root_option
def command(work: Path | None, reports: Path, root: Path | None) -> None:
    """Write the page of the validation study and its figures from the rows stored beside it.

    \b
    Example:  python -m unconceal_lab validation
    """
    from unconceal.errors import CheckFailed
    from unconceal.specs.loader import load_suite
    from unconceal_lab.build.build_dir import BuildDir
    from unconceal_lab.study import validation_page
    from unconceal_lab.study.population import members_under
    from unconceal_lab.study.settings import SETTINGS
    from unconceal_lab.study.study import Study
    from unconceal_lab.study.study_rows import read_rows, write_rows

    data, rows_path = DataRoot.find(root), validation_page.rows_path(reports)
    suite, rows = load_suite(data, "miniature"), read_rows(rows_path)
    if work is not None:
        for setting in SETTINGS:
            rows = Study.open(BuildDir(work), data, suite, rows, setting).rows(members_under(setting))
        write_rows(rows, rows_path)
    if not rows:
        consequence, remedy = "has no rows, so there is nothing to report", "run `python -m unconceal_lab study`, then name --work"
        raise CheckFailed("study.no-rows", str(rows_path), consequence, remedy)
    validation_page.write(rows, suite.scores, reports)
    click.echo(f"{reports / validation_page.PAGE}: written from {len(rows)} rows")
