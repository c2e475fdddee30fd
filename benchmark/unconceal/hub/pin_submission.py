"""Pinning a submission: branches become commits, and every checkpoint gets the digest of its weights."""

from __future__ import annotations

from unconceal.hub.allowed_files import checkpoint_digest
from unconceal.hub.local_weights import locate
from unconceal.hub.pinned_models import fetch_pinned, pinned_digest
from unconceal.hub.repository import resolve
from unconceal.paths import DataRoot
from unconceal.specs.fill_digests import fill_values, pinned_parts
from unconceal.specs.loader import load_submission, load_suite, submission_files, suite_file
from unconceal.specs.problems import Location
from unconceal.specs.spec import COMMIT
from unconceal.specs.submission import Checkpoint, Submission


def pin_submission(root: DataRoot, submission: Submission) -> dict[str, str]:
    """Write commits and digests into a submission's file, downloading what is on the Hub; returns what changed, place to value.

    Raises:
        CheckFailed: a repository, revision or file does not exist.
        EnvironmentFault: the Hub is not reached.
    """
    path = next(path for of, name, path in submission_files(root) if (of, name) == (submission.suite, submission.name))
    changed = fill_values(path, _commits(submission))
    # Read again: what is digested is what the file now says.
    changed |= fill_values(path, _digests(root, load_submission(root, f"{submission.suite}/{submission.name}")))
    return changed


def pin_hub_models(root: DataRoot, suite: str, endpoint: str | None = None) -> dict[str, str]:
    """Write commits and digests of what a suite takes from the Hub into its file, downloading it; returns what changed. Others stay.

    Raises:
        CheckFailed: a repository, revision or file does not exist.
        EnvironmentFault: the Hub is not reached, or does not let you in.
    """
    path = suite_file(root, suite)
    parts = [(place, part) for place, part in pinned_parts(load_suite(root, suite)) if part.repo is not None]
    drafts = {(*place, "revision"): part for place, part in parts if not COMMIT.fullmatch(part.revision or "")}
    commits = {place: resolve(str(part.repo), str(part.revision), endpoint).commit for place, part in drafts.items()}
    changed = fill_values(path, commits) if commits else {}
    parts = [(place, part) for place, part in pinned_parts(load_suite(root, suite)) if part.repo is not None]
    digests = {(*place, "digest"): pinned_digest(fetch_pinned(part, endpoint)) for place, part in parts}
    return changed | (fill_values(path, digests) if digests else {})


def _commits(submission: Submission) -> dict[Location, str]:
    drafts = {task: checkpoint for task, checkpoint in submission.checkpoints.items() if checkpoint.is_draft}
    return {("checkpoints", task, "revision"): _commit(checkpoint) for task, checkpoint in drafts.items()}


def _commit(checkpoint: Checkpoint) -> str:
    assert checkpoint.repo and checkpoint.revision
    return resolve(checkpoint.repo, checkpoint.revision, kind=checkpoint.repo_type).commit


def _digests(root: DataRoot, submission: Submission) -> dict[Location, str]:
    # A digest that no longer holds must not stop the weights from being found.
    places = {task: locate(checkpoint.model_copy(update={"sha256": None}), root) for task, checkpoint in submission.checkpoints.items()}
    return {("checkpoints", task, "sha256"): checkpoint_digest(path) for task, path in places.items() if path is not None and path.exists()}
