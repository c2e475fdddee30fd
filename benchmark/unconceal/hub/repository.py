"""A repository on the Hub at a commit, and the download of checkpoints from it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.hf_api import RepoFile

from unconceal.errors import CheckFailed, EnvironmentFault
from unconceal.hub.allowed_files import checkpoint_digest, has_weights, require_known, select_files
from unconceal.hub.hub_client import asked, translate_errors
from unconceal.specs.submission import Checkpoint

MAX_BYTES = 64 * 2**30
"""Maximum size of one checkpoint."""


@dataclass(frozen=True)
class Repository:
    """A repository at a commit.

    Attributes:
        commit: 40 hex digits.
        endpoint: URL of the Hub; None: as the environment configures it.
        kind: ``space``; None: a model repository.
    """

    name: str
    commit: str
    endpoint: str | None = None
    kind: str | None = None

    @property
    def title(self) -> str:
        """Short name for messages."""
        return f"{self.name}@{self.commit[:12]}"

    def files(self, folder: str = "") -> dict[str, int]:
        """Sizes in bytes of all files below a folder, by path."""
        api = HfApi(endpoint=self.endpoint)

        def sizes() -> dict[str, int]:
            entries = api.list_repo_tree(self.name, folder or None, recursive=True, revision=self.commit, repo_type=self.kind)
            return {entry.path: entry.size for entry in entries if isinstance(entry, RepoFile)}

        return asked(f"{self.title} {folder}".strip(), sizes)

    def size(self, name: str) -> int:
        """Bytes of one file."""
        url = hf_hub_url(self.name, name, revision=self.commit, repo_type=self.kind, endpoint=self.endpoint)
        return asked(f"{self.title} {name}", partial(get_hf_file_metadata, url)).size or 0

    def download(self, names: Iterable[str]) -> list[Path]:
        """The files on this machine: taken from the cache, resumed, or fetched."""
        options: Any = {"revision": self.commit, "endpoint": self.endpoint, "repo_type": self.kind}
        return [Path(asked(f"{self.title} {name}", partial(hf_hub_download, self.name, name, **options))) for name in names]

    @property
    def snapshot(self) -> Path:
        """Folder of this commit in the cache."""
        folder = repo_folder_name(repo_id=self.name, repo_type=self.kind or "model")
        return Path(constants.HF_HUB_CACHE) / folder / "snapshots" / self.commit

    def cached(self, name: str) -> Path | None:
        """Path of a file in the cache; None if it is not there. Needs no network."""
        with translate_errors(f"{self.title} {name}"):
            cached_path = try_to_load_from_cache(self.name, name, revision=self.commit, repo_type=self.kind)
        return Path(cached_path) if isinstance(cached_path, str) else None


def resolve(name: str, revision: str, endpoint: str | None = None, kind: str | None = None) -> Repository:
    """The repository at the commit that a branch or tag currently names.

    Raises:
        CheckFailed: there is no such repository or revision.
        EnvironmentFault: the Hub cannot be reached, or denies access.
    """
    api = HfApi(endpoint=endpoint)
    commit = asked(f"{name}@{revision}", partial(api.repo_info, name, revision=revision, repo_type=kind)).sha
    if not commit or not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise CheckFailed("hub.unknown-revision", f"{name}@{revision}", "resolves to no commit", "name a branch, a tag or a commit")
    return Repository(name, commit, endpoint, kind)


def fetch(checkpoint: Checkpoint, endpoint: str | None = None) -> Path:
    """Local path of a pinned checkpoint on the Hub, downloaded if necessary: a file, or a folder with the files that are read.

    Raises:
        CheckFailed: the checkpoint is a draft, or the repository does not contain it.
        EnvironmentFault: the Hub cannot be reached, or denies access.
    """
    assert checkpoint.repo and checkpoint.revision
    if checkpoint.is_draft:
        value = f"{checkpoint.repo}@{checkpoint.revision}"
        raise CheckFailed(
            "hub.not-pinned", value, "is a draft: the name may mean other weights tomorrow", "pin it with `unconceal submissions pin`"
        )
    repository = Repository(checkpoint.repo, checkpoint.revision, endpoint, checkpoint.repo_type)
    if checkpoint.file:
        cached = repository.cached(checkpoint.file)
        if cached is None:
            _check_size(repository, repository.size(checkpoint.file))
        return cached or repository.download([checkpoint.file])[0]
    folder = (checkpoint.subfolder or "").strip("/")
    folder_path = repository.snapshot / folder
    if checkpoint.sha256 and folder_path.is_dir() and checkpoint_digest(folder_path) == checkpoint.sha256:
        return folder_path
    try:
        sizes = {name.removeprefix(f"{folder}/"): size for name, size in repository.files(folder).items()}
    except EnvironmentFault as error:
        # A commit never changes, so a folder of the cache that holds weights is what it was when it was downloaded.
        if error.code == "hub.offline" and folder_path.is_dir() and has_weights(path.name for path in folder_path.rglob("*")):
            return folder_path
        raise
    selection = select_files(sizes)
    require_known(selection, f"{repository.title} {folder}".strip())
    file_names = selection.read
    if not has_weights(file_names):
        raise CheckFailed(
            "checkpoint.no-weights", f"{repository.title} {folder}".strip(), "holds no weights under a name that is known", "name the file"
        )
    _check_size(repository, sum(sizes[name] for name in file_names))
    repository.download(f"{folder}/{name}" if folder else name for name in file_names)
    return folder_path


def _check_size(repository: Repository, size: int) -> None:
    if size > MAX_BYTES:
        consequence = f"would take {size / 2**30:.0f} GiB, so it is not downloaded"
        raise CheckFailed("checkpoint.too-large", repository.title, consequence, "name the one file that is meant")
