"""The check of a request before it is queued: what the Hub says of the checkpoint. Nothing is downloaded."""

from __future__ import annotations

from pydantic import Field

from unconceal.errors import CheckFailed, UsageError
from unconceal.hub.allowed_files import has_weights, require_known, select_files
from unconceal.hub.repository import Repository
from unconceal.paths import DataRoot
from unconceal.service.submission_request import SubmissionRequest
from unconceal.specs.loader import is_draft_suite, load_suite, load_task, submission_files
from unconceal.specs.spec import Spec

MAX_FILES = 64


class Intake(Spec):
    """What would be downloaded: names and bytes of files."""

    files: dict[str, int] = Field(min_length=1)

    @property
    def gigabytes(self) -> float:
        return sum(self.files.values()) / 2**30


def check_intake(request: SubmissionRequest, root: DataRoot, max_gigabytes: float) -> Intake:
    """Check a request against the tasks and the Hub.

    Raises:
        UnconcealError: the task, the name or the checkpoint is not acceptable, or the Hub cannot be reached.
    """
    check_names(request, root)
    checkpoint = request.submission().checkpoints[request.task]
    assert checkpoint.repo and checkpoint.revision
    folder = (checkpoint.subfolder or "").strip("/")
    repository = Repository(checkpoint.repo, checkpoint.revision)
    sizes = repository.files(folder)
    if checkpoint.file:
        selected = [checkpoint.file] if checkpoint.file in sizes else []
    else:
        inside = {name.removeprefix(f"{folder}/"): name for name in sizes}
        selection = select_files(inside)
        require_known(selection, request.reference)
        selected = [inside[name] for name in selection.read] if has_weights(selection.read) else []
    if not selected:
        remedy = "name a weights file, or a folder that holds one"
        raise CheckFailed("checkpoint.no-weights", request.reference, "holds no weights under a name that is known", remedy)
    intake = Intake(files={name: sizes[name] for name in selected})
    if len(selected) > MAX_FILES or intake.gigabytes > max_gigabytes:
        value = f"{len(selected)} files, {intake.gigabytes:.1f} GiB"
        remedy = f"this service takes {MAX_FILES} files and {max_gigabytes:g} GiB; name the one file that is meant"
        raise CheckFailed("checkpoint.too-large", value, "are more than it takes", remedy)
    return intake


def check_names(request: SubmissionRequest, root: DataRoot) -> None:
    """Check that the task and tier exist and the submission's name is free.

    Raises:
        UsageError: one of them does not, or is not.
    """
    suite, task = load_suite(root, request.suite), load_task(root, f"{request.suite}:{request.task}")
    if is_draft_suite(root, request.suite):
        raise UsageError("suite.not-pinned", suite.id, "is a draft, so nothing can be ranked by it", "choose another suite")
    if request.tier not in suite.tiers:
        raise UsageError("suite.unknown-tier", repr(request.tier), f"is no tier of {suite.id}", f"use {', '.join(suite.tiers)}")
    taken = {file.name for file in submission_files(root) if file.suite == task.suite}
    if request.name in taken:
        raise UsageError("submission.exists", repr(request.name), "is the name of another submission", "choose another name")
