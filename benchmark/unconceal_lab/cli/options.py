"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from unconceal.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])
WORK = Path.home() / ".cache" / "unconceal" / "miniature"
REPORTS = Path("docs", "reports")


def work_option(function: Function) -> Function:
    """``--work``: the build directory, which must exist (passed as ``work: Path``)."""
    folder = click.Path(file_okay=False, path_type=Path)
    return click.option("--work", type=folder, default=WORK, show_default=True, callback=require_build, help="Build directory.")(function)


def require_build(_: click.Context, __: click.Parameter, folder: Path) -> Path:
    """Check that a build directory exists.

    Raises:
        UsageError: it does not.
    """
    if not folder.is_dir():
        remedy = "build the models with `python -m unconceal_lab build`, or name another build directory with --work"
        raise UsageError("build.no-folder", str(folder), "does not exist, so there are no models to measure", remedy)
    return folder


def reports_option(function: Function) -> Function:
    """``--reports``: the folder of generated pages (passed as ``reports: Path``)."""
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.option("--reports", type=folder, default=REPORTS, show_default=True, help="Folder of the generated pages.")(function)
