"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])
WORK = Path.home() / ".cache" / "unconceal" / "miniature"
REPORTS = Path("docs", "reports")


def work_option(function: Function) -> Function:
    """``--work``: the build directory, which must exist (passed as ``work: Path``)."""
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.option("--work", type=folder, default=WORK, show_default=True, help="Build directory.")(function)


def reports_option(function: Function) -> Function:
    """``--reports``: the folder of generated pages (passed as ``reports: Path``)."""
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.option("--reports", type=folder, default=REPORTS, show_default=True, help="Folder of the generated pages.")(function)
