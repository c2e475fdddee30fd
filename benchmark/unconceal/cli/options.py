"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from unconceal.leaderboard.sources import Sources
    from unconceal.paths import DataRoot
    from unconceal.results.result_tables import ResultTable

Function = TypeVar("Function", bound=Callable[..., Any])
TIER_NAMES = ("quick", "full", "audit")
"""Tiers of a suite's file, from the cheapest."""
RUN_TIER_NAMES = ("verdict", *TIER_NAMES)
"""The same with the sequential tier."""


def root_option(function: Function) -> Function:
    """``--root``: the folder that holds tasks/, submissions/ and results/ (passed as ``root: Path | None``)."""
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.option("--root", type=folder, help="Folder that holds tasks/, submissions/ and results/.")(function)


def layout_options(function: Function) -> Function:
    """How work is divided, which is part of every image's identity: ``--threads --batch-size --device --dtype --optimize``.

    Passed as ``threads: int | None, batch_size: int, device: str, dtype: str, optimize: tuple[str, ...]``.
    """
    for option in reversed(_LAYOUT):
        function = option(function)
    return function


_LAYOUT: tuple[Callable[[Any], Any], ...] = (
    click.option("--threads", type=click.IntRange(1), help="CPU threads per worker; default: all cores, shared among workers."),
    click.option("--batch-size", type=click.IntRange(1), default=128, show_default=True, help="Forward passes per denoiser call."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda."),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "bfloat16", "float16"]),
        default="float32",
        show_default=True,
        help="Precision of θ and θ*.",
    ),
    click.option(
        "--optimize",
        type=click.Choice(["channels-last", "compile"]),
        multiple=True,
        help="Speed up the denoiser; repeatable. Images then have another identity, and records name it.",
    ),
)


def json_option(function: Function) -> Function:
    """``--json``: print data instead of a table (passed as ``as_json: bool``)."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(function)


def index_option(function: Function) -> Function:
    """``--index``: read a published dataset instead of the records (passed as ``index: Path | None``)."""
    folder = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.option("--index", type=folder, help="Read this published dataset (see `publish`) instead of the records: much faster.")(
        function
    )


def version_options(function: Function) -> Function:
    """``--suite`` and ``--version`` of the results (passed as ``suite: str | None, version: int | None``)."""
    for option in (
        click.option("--version", type=click.IntRange(0), help="Version of the suite; default: the newest that has results."),
        click.option("--suite", help="Only this suite."),
    ):
        function = option(function)
    return function


def load_tables(
    root: DataRoot,
    index: Path | None,
    whole: bool = False,
    curves: frozenset[str] = frozenset(),
    suite: str | None = None,
    version: int | None = None,
    every_version: bool = False,
) -> tuple[tuple[ResultTable, ...], Sources]:
    """The tables of one version of each suite and what they need beside, from the records or from a published dataset.

    Args:
        root: the data root.
        index: a published dataset to read instead of the records.
        whole: with every score; from a dataset also with the curves of these names, while records come with all curves then.
        curves: names of curves.
        suite: only this one.
        version: of the suite; None: the newest.
        every_version: all versions instead.
    """
    from unconceal.evaluation.environment import usable_cores
    from unconceal.leaderboard.sources import Sources
    from unconceal.results.result_tables import load_version_tables, read_for_ranking, selected_versions, suite_versions
    from unconceal.specs.record import read_record

    if index is None:
        existing = suite_versions(root.result_folders)
        versions = [pair for pair in existing if suite in (None, pair[0])] if every_version else selected_versions(existing, suite, version)
        read = read_record if whole else read_for_ranking
        return load_version_tables(root.result_folders, versions, read, usable_cores()), Sources(root)
    from unconceal.publish.dataset_index import load_published_submissions, load_published_tables
    from unconceal.publish.published_records import published_versions

    existing = published_versions(index)
    versions = [pair for pair in existing if suite in (None, pair[0])] if every_version else selected_versions(existing, suite, version)
    return load_published_tables(index, root.results, whole, curves, versions), Sources(root, load_published_submissions(index))


def echo_rows(rows: Sequence[dict[str, Any]], as_json: bool, empty: str = "nothing found") -> None:
    """Print rows as a table or as JSON; lists are joined in tables."""
    if as_json:
        import json

        click.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
    elif rows:
        from tabulate import tabulate

        click.echo(tabulate([{name: _cell(value) for name, value in row.items()} for row in rows], headers="keys", disable_numparse=True))
    else:
        click.echo(empty)


def _cell(value: Any) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
