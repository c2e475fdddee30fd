"""One model repository at one commit: what it holds, and the few files of it that an evaluation needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.hf_api import RepoFile

from unconceal.errors import CheckFailed
from unconceal.hub.allowed_files import checkpoint_digest, has_weights, select_checkpoint_files
from unconceal.hub.hub_client import translate_errors
from unconceal.specs.submission import Checkpoint

MAX_BYTES = 64 * 2**30
"""Bytes that one checkpoint may take."""


@dataclass(frozen=True)
class Repository:
    """``commit``: 40 hex digits. ``endpoint`` None: the Hub that the environment names."""

    name: str
    commit: str
    endpoint: str | None = None
    kind: str | None = None
    """None: a model; ``space``."""

    @property
    def title(self) -> str:
        return f"{self.name}@{self.commit[:12]}"

    def files(self, folder: str = "") -> dict[str, int]:
        """Name and size of every file below a folder, as the Hub lists them."""
        with translate_errors(f"{self.title} {folder}".strip()):
            api = HfApi(endpoint=self.endpoint)
            listed = api.list_repo_tree(self.name, folder or None, recursive=True, revision=self.commit, repo_type=self.kind)
            return {entry.path: entry.size for entry in listed if isinstance(entry, RepoFile)}

    def download(self, names: Iterable[str]) -> list[Path]:
        """The files on this machine: taken from the cache, resumed, or fetched."""
        found = []
        for name in names:
            with translate_errors(f"{self.title} {name}"):
                found.append(Path(hf_hub_download(self.name, name, revision=self.commit, endpoint=self.endpoint, repo_type=self.kind)))
        return found

    @property
    def snapshot(self) -> Path:
        """The cache's folder of this commit."""
        folder = repo_folder_name(repo_id=self.name, repo_type=self.kind or "model")
        return Path(constants.HF_HUB_CACHE) / folder / "snapshots" / self.commit

    def cached(self, name: str) -> Path | None:
        """A file that is here already; asks nobody."""
        with translate_errors(f"{self.title} {name}"):
            found = try_to_load_from_cache(self.name, name, revision=self.commit, repo_type=self.kind)
        return Path(found) if isinstance(found, str) else None


def resolve(name: str, revision: str, endpoint: str | None = None, kind: str | None = None) -> Repository:
    """The commit that a branch, tag or commit means today.

    Raises:
        CheckFailed: there is no such repository or revision.
        EnvironmentFault: the Hub is not reached, or does not let you in.
    """
    with translate_errors(f"{name}@{revision}"):
        commit = HfApi(endpoint=endpoint).repo_info(name, revision=revision, repo_type=kind).sha
    if not commit or not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise CheckFailed("hub.unknown-revision", f"{name}@{revision}", "resolves to no commit", "name a branch, a tag or a commit")
    return Repository(name, commit, endpoint, kind)


def fetch(checkpoint: Checkpoint, endpoint: str | None = None) -> Path:
    """The weights of a pinned checkpoint on this machine: the file, or the folder that holds the few files that are needed.

    Raises:
        CheckFailed: it is a draft, or the repository does not hold what it names.
        EnvironmentFault: the Hub is not reached, or does not let you in.
    """
    assert checkpoint.repo and checkpoint.revision
    if checkpoint.is_draft:
        value = f"{checkpoint.repo}@{checkpoint.revision}"
        raise CheckFailed(
            "hub.not-pinned", value, "is a draft: the name may mean other weights tomorrow", "pin it with `unconceal submissions pin`"
        )
    repository = Repository(checkpoint.repo, checkpoint.revision, endpoint, checkpoint.repo_type)
    if checkpoint.file:
        return repository.cached(checkpoint.file) or repository.download([checkpoint.file])[0]
    folder = (checkpoint.subfolder or "").strip("/")
    here = repository.snapshot / folder
    if checkpoint.sha256 and here.is_dir() and checkpoint_digest(here) == checkpoint.sha256:
        return here
    listed = {name.removeprefix(f"{folder}/"): size for name, size in repository.files(folder).items()}
    wanted = select_checkpoint_files(listed)
    if not has_weights(wanted):
        raise CheckFailed(
            "checkpoint.no-weights", f"{repository.title} {folder}".strip(), "holds no weights under a name that is known", "name the file"
        )
    size = sum(listed[name] for name in wanted)
    if size > MAX_BYTES:
        raise CheckFailed(
            "checkpoint.too-large",
            repository.title,
            f"would take {size / 2**30:.0f} GiB, so it is not downloaded",
            "name the one file that is meant",
        )
    repository.download(f"{folder}/{name}" if folder else name for name in wanted)
    return here
