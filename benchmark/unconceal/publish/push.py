"""A version on the Hub: one commit, guarded by its parent, then a tag."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError
from huggingface_hub.hf_api import GitRefs, RepoFile

from unconceal.hub.hub_client import asking
from unconceal.publish.publication import MANIFEST, Publication, different_content

KIND = "dataset"


@dataclass(frozen=True)
class RemoteState:
    """What the Hub holds.

    ``head``: commit of `main`, None without a repository; ``tagged``: the version is there; ``committed``: it is, but without its tag.
    """

    head: str | None = None
    tagged: bool = False
    committed: bool = False


def remote_state(publication: Publication, repo: str, endpoint: str | None = None) -> RemoteState:
    """What is there; writes nothing.

    Raises:
        CheckFailed: the version is tagged with other content.
        EnvironmentFault: the Hub is not reached.
    """
    api = HfApi(endpoint=endpoint)
    try:
        with asking(f"dataset {repo}"):
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
    """Commit and tag; returns the commit. What is there already is not done again, so that a broken-off push can be repeated.

    Raises:
        CheckFailed: the version exists with other content, or somebody committed meanwhile.
        EnvironmentFault: the Hub is not reached, or does not let you in.
    """
    api, standing = HfApi(endpoint=endpoint), remote_state(publication, repo, endpoint)
    if standing.tagged:
        assert standing.head
        return standing.head
    commit = standing.head if standing.committed else _commit(api, publication, repo, standing.head)
    assert commit
    with asking(f"dataset {repo}, tag {publication.version}"):
        api.create_tag(repo, tag=publication.version, revision=commit, repo_type=KIND)
    return commit


def _commit(api: HfApi, publication: Publication, repo: str, head: str | None) -> str:
    with asking(f"dataset {repo}"):
        if head is None:
            api.create_repo(repo, repo_type=KIND)
            head = _head(api.list_repo_refs(repo, repo_type=KIND))
        listed = api.list_repo_tree(repo, recursive=True, revision=head, repo_type=KIND)
        there = [entry.path for entry in listed if isinstance(entry, RepoFile) and entry.path.startswith("data/")]
        gone = [path for path in there if path not in publication.files]
        operations = [CommitOperationAdd(path, content) for path, content in sorted(publication.files.items())]
        done = api.create_commit(
            repo,
            [*operations, *map(CommitOperationDelete, gone)],
            commit_message=f"Results {publication.version}",
            repo_type=KIND,
            parent_commit=head,
        )
        return str(done.oid)


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
    with asking(f"dataset {repo}@{revision[:12]}"):
        try:
            return Path(api.hf_hub_download(repo, MANIFEST, revision=revision, repo_type=KIND)).read_bytes()
        except EntryNotFoundError:
            return None
