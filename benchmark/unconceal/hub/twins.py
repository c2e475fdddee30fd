"""Submissions of a suite by the digest of their weights, so that a copy is told from its original."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from unconceal.checkpoints.file_limits import check_files
from unconceal.errors import UnconcealError
from unconceal.hub.local_weights import weights_digest
from unconceal.paths import DataRoot, resolve_path
from unconceal.specs.loader import load_submission, submission_files
from unconceal.specs.submission import Checkpoint


class OwnWeights(NamedTuple):
    """A submission's weights for a task."""

    submission: str
    task: str
    digest: str


def weights_of_suite(root: DataRoot, suite: str, others_than: Collection[str]) -> Iterator[OwnWeights]:
    """The weights of a suite's submissions, as stated or as they are on this machine; without network.

    Args:
        root: of the submissions.
        suite: its name.
        others_than: submissions that are left out; those that cannot be read are left out, too.
    """
    for file in submission_files(root):
        if file.suite != suite or file.name in others_than:
            continue
        try:
            checkpoints = load_submission(root, f"{suite}/{file.name}").checkpoints
        except UnconcealError:
            continue
        for task, checkpoint in checkpoints.items():
            digest = _digest(checkpoint, root) if checkpoint.inference is None else None
            if digest is not None:
                yield OwnWeights(file.name, task, digest)


def _digest(checkpoint: Checkpoint, root: DataRoot) -> str | None:
    if checkpoint.sha256 is not None:
        return checkpoint.sha256
    try:
        if checkpoint.path is not None:
            check_files(resolve_path(checkpoint.path, root))
        return weights_digest(checkpoint, root)
    except (UnconcealError, OSError, ValueError):
        return None
