"""Pins submissions and suites: branches become commits, and weights get digests."""

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
    """Write commits and digests into a submission's file; downloads its checkpoints.

    Returns:
        The changed values by location.

    Raises:
        CheckFailed: a repository, revision or file does not exist.
        EnvironmentFault: the Hub cannot be reached.
    """
    path = next(path for suite_name, name, path in submission_files(root) if (suite_name, name) == (submission.suite, submission.name))
    changes = fill_values(path, _commits(submission))
    # Read again: the digests are of the commits just written.
    changes |= fill_values(path, _digests(root, load_submission(root, f"{submission.suite}/{submission.name}")))
    return changes


def pin_hub_models(root: DataRoot, suite: str, endpoint: str | None = None) -> dict[str, str]:
    """Write commits and digests of a suite's models on the Hub into its file; downloads the models.

    Returns:
        The changed values by location.

    Raises:
        CheckFailed: a repository, revision or file does not exist.
        EnvironmentFault: the Hub cannot be reached, or denies access.
    """
    path = suite_file(root, suite)
    parts = [(location, part) for location, part in pinned_parts(load_suite(root, suite)) if part.repo is not None]
    drafts = {(*location, "revision"): part for location, part in parts if not COMMIT.fullmatch(part.revision or "")}
    commits = {location: resolve(str(part.repo), str(part.revision), endpoint).commit for location, part in drafts.items()}
    changes = fill_values(path, commits) if commits else {}
    parts = [(location, part) for location, part in pinned_parts(load_suite(root, suite)) if part.repo is not None]
    digests = {(*location, "digest"): pinned_digest(fetch_pinned(part, endpoint)) for location, part in parts}
    return changes | (fill_values(path, digests) if digests else {})


def _commits(submission: Submission) -> dict[Location, str]:
    drafts = {task: checkpoint for task, checkpoint in submission.checkpoints.items() if checkpoint.is_draft}
    return {("checkpoints", task, "revision"): _commit(checkpoint) for task, checkpoint in drafts.items()}


def _commit(checkpoint: Checkpoint) -> str:
    assert checkpoint.repo and checkpoint.revision
    return resolve(checkpoint.repo, checkpoint.revision, kind=checkpoint.repo_type).commit


def _digests(root: DataRoot, submission: Submission) -> dict[Location, str]:
    # An outdated digest must not prevent the weights from being located.
    paths = {task: locate(checkpoint.model_copy(update={"sha256": None}), root) for task, checkpoint in submission.checkpoints.items()}
    return {("checkpoints", task, "sha256"): checkpoint_digest(path) for task, path in paths.items() if path is not None and path.exists()}
