"""``unconceal store``: the generated images that evaluations share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import echo_rows, json_option, root_option
from unconceal.errors import CheckFailed, UsageError
from unconceal.paths import DataRoot, store_folder

if TYPE_CHECKING:
    from unconceal.generate.store_entries import StoreEntry


@click.group()
def command() -> None:
    """Inspect, verify or clear the store of generated images.

    Images are identified by their inputs. Deleting them costs computing time and never changes a result.

    \b
    Example:  unconceal store verify
    """


def store_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--store``: the folder of the image store (passed as ``store: Path | None``)."""
    folder = click.Path(file_okay=False, path_type=Path)
    return click.option("--store", type=folder, help="Folder of the image store; default: $UNCONCEAL_STORE, else the user's cache.")(
        function
    )


def existing_store(store: Path | None) -> Path:
    """The store's folder, refused where there is none."""
    folder = store or store_folder()
    if not folder.is_dir():
        raise UsageError(
            "store.not-found",
            str(folder),
            "is not a folder, so there is no store to inspect",
            "give the store's folder with --store, or run an evaluation first",
        )
    return folder


@command.command("ls")
@store_option
@root_option
@json_option
def list_(store: Path | None, root: Path | None, as_json: bool) -> None:
    """List what the store holds, by model.

    \b
    Example:  unconceal store ls
    """
    from unconceal.generate.store_entries import list_entries

    names = named_models(DataRoot.find(root))
    rows: dict[str, dict[str, Any]] = {}
    for entry in list_entries(existing_store(store)):
        model = "no shard" if entry.shard is None else names.get(entry.shard.checkpoint or entry.shard.base, "no submission's")
        row = rows.setdefault(model, {"model": model, "shards": 0, "images": 0, "MB": 0.0})
        row["shards"] += 1
        row["images"] += len(entry.shard.images) if entry.shard else 0
        row["MB"] += entry.size / 1e6
    by_size = sorted(rows.values(), key=lambda row: (-row["MB"], row["model"]))
    echo_rows([{**row, "MB": round(row["MB"], 1)} for row in by_size], as_json, "the store is empty")


def named_models(data: DataRoot) -> dict[str, str]:
    """Digest of every model that the specs name to what it is called."""
    from unconceal.hub.local_weights import weights_digest
    from unconceal.specs.loader import all_submissions, load_suite, suite_names

    names = {}
    for submission in all_submissions(data):
        for checkpoint in submission.checkpoints.values():
            names[weights_digest(checkpoint, data) or ""] = f"{submission.suite}/{submission.name}"
    return names | {load_suite(data, name).base.digest: f"{name}: θ" for name in suite_names(data)}


@command.command()
@store_option
@click.option("--delete", is_flag=True, help="Delete damaged files; the next run generates them again.")
def verify(store: Path | None, delete: bool) -> None:
    """Compare the content of every file with its digest.

    \b
    Example:  unconceal store verify
    """
    from unconceal.generate.store_entries import find_defect, is_temporary, list_entries
    from unconceal.progress import progress

    entries = [entry for entry in list_entries(existing_store(store)) if not is_temporary(entry.path)]
    wrong: list[str] = []
    with progress() as progress_bar:
        stage = progress_bar.stage("verifying the store", len(entries))
        for entry in entries:
            if defect := find_defect(entry):
                wrong.append(f"{entry.path}: {defect}")
                if delete:
                    entry.path.unlink(missing_ok=True)
            stage.advance()
    for line in wrong:
        click.echo(line)
    if wrong and not delete:
        value = f"{len(wrong)} of {len(entries)} files"
        raise CheckFailed("store.damaged", value, "are damaged; runs generate them again when needed", "delete them with --delete")
    click.echo(f"{len(entries)} files, " + (f"{len(wrong)} deleted" if wrong else "none damaged"))


@command.command()
@store_option
@click.option("--execute", is_flag=True, help="Delete; without it, only print what would be deleted.")
@root_option
def gc(store: Path | None, execute: bool, root: Path | None) -> None:
    """Delete the images of models that no suite or submission names, and the temporary files of interrupted runs.

    \b
    Example:  unconceal store gc
              unconceal store gc --execute
    """
    from unconceal.generate.store_entries import KnownModels, is_temporary, list_entries, unregister_models

    known_models, folder = KnownModels.from_specs(DataRoot.find(root)), existing_store(store)
    unused = [entry for entry in list_entries(folder) if is_temporary(entry.path) or entry.shard is None or entry.shard not in known_models]
    if execute:
        for entry in unused:
            entry.path.unlink(missing_ok=True)
        unregister_models(folder, known_models)
    click.echo(
        f"{len(unused)} files, {megabytes(unused):.1f} MB" + (" deleted" if execute else " would be deleted; --execute deletes them")
    )


def megabytes(entries: Iterable[StoreEntry]) -> float:
    return sum(entry.size for entry in entries) / 1e6
