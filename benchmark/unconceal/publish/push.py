"""Pushes a version to the Hub: one commit on top of a known parent, then a tag."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError
from huggingface_hub.hf_api import GitRefs, RepoFile

from unconceal.hub.hub_client import translate_errors
from unconceal.publish.publication import MANIFEST, Publication, different_content

KIND = "dataset"


@dataclass(frozen=True)
class RemoteState:
    """The state of the dataset on the Hub.

    Attributes:
        head: commit of `main`; None without a repository.
        tagged: the version's tag exists.
        committed: `main` has the version's content, but there is no tag.
    """

    head: str | None = None
    tagged: bool = False
    committed: bool = False


def remote_state(publication: Publication, repo: str, endpoint: str | None = None) -> RemoteState:
    """Reads the state of the dataset; writes nothing.

    Raises:
        CheckFailed: the version is tagged with other content.
        EnvironmentFault: the Hub cannot be reached.
    """
    api = HfApi(endpoint=endpoint)
    try:
        with translate_errors(f"dataset {repo}"):
            refs = _refs(api, repo)
    except _Absent:
        return RemoteState()
    head = _head(refs)
    if publication.version in [tag.name for tag in refs.tags]:
        if _manifest(api, repo, publication.version) != publication.manifest:
            raise different_content(f"dataset {repo}", publication.version)
        return RemoteState(head, tagged=True)
    return RemoteState(head, committed=head is not None and _manifest(api, repo, head) == publication.manifest)


def push(publication: Publication, repo: str, endpoint: str | None = None) -> str:
    """Commits and tags the version, and returns the commit. Finished steps are skipped, so an interrupted push can be repeated.

    Raises:
        CheckFailed: the version exists with other content, or another commit came in between.
        EnvironmentFault: the Hub cannot be reached or denies access.
    """
    api, state = HfApi(endpoint=endpoint), remote_state(publication, repo, endpoint)
    if state.tagged:
        assert state.head
        return state.head
    commit = state.head if state.committed else _commit(api, publication, repo, state.head)
    assert commit
    with translate_errors(f"dataset {repo}, tag {publication.version}"):
        api.create_tag(repo, tag=publication.version, revision=commit, repo_type=KIND)
    return commit


def _commit(api: HfApi, publication: Publication, repo: str, head: str | None) -> str:
    with translate_errors(f"dataset {repo}"):
        if head is None:
            api.create_repo(repo, repo_type=KIND)
            head = _head(api.list_repo_refs(repo, repo_type=KIND))
        listed = api.list_repo_tree(repo, recursive=True, revision=head, repo_type=KIND)
        remote_paths = [entry.path for entry in listed if isinstance(entry, RepoFile) and entry.path.startswith("data/")]
        removed = [path for path in remote_paths if path not in publication.files]
        operations = [CommitOperationAdd(path, content) for path, content in sorted(publication.files.items())]
        commit = api.create_commit(
            repo,
            [*operations, *map(CommitOperationDelete, removed)],
            commit_message=f"Results {publication.version}",
            repo_type=KIND,
            parent_commit=head,
        )
        return str(commit.oid)


class _Absent(Exception):
    """There is no such repository."""


def _head(refs: GitRefs) -> str | None:
    return next((branch.target_commit for branch in refs.branches if branch.name == "main"), None)


def _refs(api: HfApi, repo: str) -> GitRefs:
    try:
        return api.list_repo_refs(repo, repo_type=KIND)
    except RepositoryNotFoundError as error:
        raise _Absent from error


def _manifest(api: HfApi, repo: str, revision: str) -> bytes | None:
    """The manifest of a revision; None if it has none."""
    with translate_errors(f"dataset {repo}@{revision[:12]}"):
        try:
            return Path(api.hf_hub_download(repo, MANIFEST, revision=revision, repo_type=KIND)).read_bytes()
        except EntryNotFoundError:
            return None
