"""``unconceal publish``: a version of the results as a dataset."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from unconceal.cli.options import root_option
from unconceal.errors import EnvironmentFault
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal.publish.publication import Publication

REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@click.command()
@click.option("--to", required=True, metavar="REPO|DIR", help="A dataset on the Hub, owner/name; or a folder: ./name, or one that exists.")
@click.option("--version", required=True, help="The tag, e.g. v1.2; once published it never changes.")
@click.option("--execute", is_flag=True, help="Really publish; without it nothing is written.")
@root_option
def command(to: str, version: str, execute: bool, root: Path | None) -> None:
    """Publish all records as Parquet tables with a dataset card: one commit, then a tag. A dry run unless --execute.

    Refused: uncommitted changes, records that are wrong, a stale LEADERBOARD.md, a version that exists with other content.

    \b
    Example:  unconceal publish --to ./published --version v1
              unconceal publish --to me/unconceal-results --version v1 --execute
    """
    from unconceal.publish.publication import build_publication
    from unconceal.publish.refusals import check_publishable, check_version

    check_version(version)
    data = DataRoot.find(root)
    check_publishable(data)
    is_repo = REPO.fullmatch(to) is not None and not Path(to).is_dir()
    publication = build_publication(data, version, to if is_repo else f"path/to/{version}")
    for path, content in sorted(publication.files.items()):
        click.echo(f"{len(content):>12,}  {path}")
    click.echo((on_the_hub if is_repo else in_a_folder)(publication, to, execute))


def in_a_folder(publication: Publication, to: str, execute: bool) -> str:
    """What was, or would be, done."""
    from unconceal.publish.publication import already_published, write_folder

    folder = Path(to) / publication.version
    if not execute:
        return (
            f"{folder} is there already, the same"
            if already_published(publication, folder)
            else f"dry run: would write {folder}; add --execute"
        )
    return f"wrote {folder}" if write_folder(publication, Path(to)) else f"{folder} is there already, the same"


def on_the_hub(publication: Publication, to: str, execute: bool) -> str:
    """What was, or would be, done."""
    from unconceal.publish.push import push, remote_state

    if execute:
        return f"{to}: commit {push(publication, to)}, tag {publication.version}"
    try:
        remote = remote_state(publication, to)
    except EnvironmentFault as error:
        return f"dry run: would commit to {to} and tag {publication.version}; what is there is not known ({error.consequence})"
    if remote.tagged:
        return f"{to}: {publication.version} is there already, the same"
    onto = f"onto {remote.head[:12]}" if remote.head else "into a new repository"
    return f"dry run: would {'tag' if remote.committed else f'commit {onto} and tag'} {publication.version}; add --execute"
