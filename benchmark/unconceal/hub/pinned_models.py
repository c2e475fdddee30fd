"""Downloads the base models and judges that suites pin on the Hub."""

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
    """Local path of a pinned model on the Hub, downloaded if necessary.

    Raises:
        CheckFailed: its revision is no commit, or the repository does not contain it.
        EnvironmentFault: the Hub cannot be reached, or denies access.
    """
    assert pinned.repo and pinned.revision
    if not COMMIT.fullmatch(pinned.revision):
        remedy = "pin it on a machine with network, `unconceal tasks pin`"
        raise CheckFailed("hub.not-pinned", pinned.title, "is a draft: the name may mean another model tomorrow", remedy)
    repository = Repository(pinned.repo, pinned.revision, endpoint)
    if pinned.path != WHOLE_REPOSITORY:
        return repository.cached(pinned.path) or repository.download([pinned.path])[0]
    snapshot = repository.snapshot
    if pinned.digest != pinned_digest(snapshot):
        repository.download(select_model_files(repository.files()))
    return snapshot


def local_path(pinned: Pinned, root: DataRoot) -> Path:
    """Local path of a pinned model, downloaded if it is on the Hub. The digest is not checked."""
    return resolve_path(pinned.path, root) if pinned.repo is None else fetch_pinned(pinned)


def cached_path(pinned: Pinned, root: DataRoot) -> Path | None:
    """Local path of a pinned model; None if it is not on this machine. Nothing is downloaded, and no digest is checked."""
    if pinned.repo is None:
        path = resolve_path(pinned.path, root)
    elif pinned.revision and COMMIT.fullmatch(pinned.revision):
        path = Repository(pinned.repo, pinned.revision).snapshot / pinned.path
    else:
        return None
    return path if path.exists() else None


def pinned_digest(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files that are read."""
    if path.is_file():
        return file_digest(path)
    names = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
    return folder_digest(path, select_model_files(names))
