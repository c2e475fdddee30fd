"""What a suite pins on the Hub, on this machine: bases and judges."""

from __future__ import annotations

from pathlib import Path

from unconceal.errors import CheckFailed
from unconceal.hub.allowed_files import select_model_files
from unconceal.hub.repository import Repository
from unconceal.paths import DataRoot, resolve_path
from unconceal.specs.digests import file_digest, folder_digest
from unconceal.specs.spec import COMMIT, Pinned

WHOLE_REPOSITORY = "."


def fetch_pinned(pinned: Pinned, endpoint: str | None = None) -> Path:
    """The file or folder, downloaded where it is not here yet.

    Raises:
        CheckFailed: its revision is no commit, or the repository does not hold it.
        EnvironmentFault: the Hub is not reached, or does not let you in.
    """
    assert pinned.repo and pinned.revision
    if not COMMIT.fullmatch(pinned.revision):
        remedy = "pin it on a machine with network, `unconceal tasks pin`"
        raise CheckFailed("hub.not-pinned", pinned.title, "is a draft: the name may mean another model tomorrow", remedy)
    repository = Repository(pinned.repo, pinned.revision, endpoint)
    if pinned.path != WHOLE_REPOSITORY:
        return repository.cached(pinned.path) or repository.download([pinned.path])[0]
    here = repository.snapshot
    if pinned.digest != pinned_digest(here):
        repository.download(select_model_files(repository.files()))
    return here


def local_path(pinned: Pinned, root: DataRoot) -> Path:
    """Where it is on this machine, downloaded if it is on the Hub; whether it is what the digest says is not looked at."""
    return resolve_path(pinned.path, root) if pinned.repo is None else fetch_pinned(pinned)


def pinned_digest(path: Path) -> str:
    """SHA-256 of a file, or over the files of a folder that are read."""
    if path.is_file():
        return file_digest(path)
    inside = [found.relative_to(path).as_posix() for found in path.rglob("*") if found.is_file()]
    return folder_digest(path, select_model_files(inside))
