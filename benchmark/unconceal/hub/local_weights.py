"""Locates a submission's weights on this machine."""

from __future__ import annotations

from pathlib import Path

from unconceal.errors import EnvironmentFault
from unconceal.hub.allowed_files import checkpoint_digest
from unconceal.paths import DataRoot, resolve_path
from unconceal.specs.inference_rule import rule_digest
from unconceal.specs.spec import UNPINNED, Pinned
from unconceal.specs.submission import STANDALONE_FORMAT, Checkpoint, Submission

BUILT_SUITE = "miniature"
"""The suite whose weights the companion package builds."""


def locate(checkpoint: Checkpoint, root: DataRoot) -> Path | None:
    """Path of a checkpoint, downloaded if it is on the Hub. A local path need not exist.

    Returns:
        File or folder; None for the original model.

    Raises:
        CheckFailed: the checkpoint is a draft, or the repository does not contain it.
        EnvironmentFault: the Hub cannot be reached.
        UsageError: the path leaves the data root.
    """
    if checkpoint.repo is not None:
        from unconceal.hub.pinned_models import WHOLE_REPOSITORY, fetch_pinned
        from unconceal.hub.repository import fetch

        if checkpoint.format != STANDALONE_FORMAT:
            return fetch(checkpoint)
        return fetch_pinned(Pinned(repo=checkpoint.repo, revision=checkpoint.revision, path=WHOLE_REPOSITORY, digest=UNPINNED))
    return None if checkpoint.path is None else resolve_path(checkpoint.path, root)


def require_weights(submission: Submission, task: str, root: DataRoot) -> Path | None:
    """The weights of a submission's checkpoint for a task, see :func:`locate`.

    A path that is pinned by a digest but does not exist is a checkpoint that is not distributed with the data root.

    Raises:
        EnvironmentFault: pinned weights are not on this machine (``checkpoint.not-here``).
    """
    checkpoint = submission.checkpoints[task]
    path = locate(checkpoint, root)
    if path is None or path.exists() or checkpoint.sha256 is None:
        return path
    build = f"`python -m unconceal_lab build --only {submission.name}:{task} --ship`"
    if root.read_only:
        # The wheel has neither the companion package nor a folder to write to.
        build = f"a clone of the repository, by {build}"
    source = build if submission.suite == BUILT_SUITE else "its authors"
    consequence = "is not on this machine: these weights are not part of the repository"
    raise EnvironmentFault("checkpoint.not-here", str(path), consequence, f"get them from {source}")


def weights_digest(checkpoint: Checkpoint, root: DataRoot) -> str | None:
    """SHA-256 of a checkpoint's local weights, or as its submission states it; of its rule, if it has no weights. Needs no network.

    Returns:
        None for the original model, and for weights that are neither local nor pinned.
    """
    if checkpoint.inference is not None:
        return rule_digest(checkpoint.inference)
    if checkpoint.repo is not None:
        return checkpoint.sha256 or _cached_digest(checkpoint)
    path = None if checkpoint.path is None else resolve_path(checkpoint.path, root)
    return checkpoint_digest(path) if path is not None and path.exists() else checkpoint.sha256


def _cached_digest(checkpoint: Checkpoint) -> str | None:
    from unconceal.hub.repository import Repository

    if checkpoint.is_draft:
        return None
    assert checkpoint.repo and checkpoint.revision
    repository = Repository(checkpoint.repo, checkpoint.revision, kind=checkpoint.repo_type)
    if checkpoint.file:
        path = repository.cached(checkpoint.file)
        return checkpoint_digest(path) if path else None
    folder = repository.snapshot / (checkpoint.subfolder or "")
    return checkpoint_digest(folder) if folder.is_dir() else None
