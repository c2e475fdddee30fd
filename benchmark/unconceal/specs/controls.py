"""The controls that a suite declares, ``tasks/<suite>/controls.yaml``: names and digests. Nothing else is a control.

They stand beside ``suite.yaml``, so that a further control changes no digest of the suite.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from unconceal.errors import CheckFailed
from unconceal.specs.spec import Digest, Mistake, Name, Spec
from unconceal.specs.submission import ORIGINAL, ORIGINAL_FORMAT, Submission, TaskId, is_control_name

OWN_WEIGHTS = "submit weights of your own"


class Controls(Spec):
    """The controls of a suite: by name and task the digest of the weights, null where it is not pinned or there are none."""

    suite: Name
    controls: dict[Name, dict[TaskId, Digest | None]] = Field(min_length=1)

    def control_of(self, task: str, digest: str | None) -> str | None:
        """The control of a task whose weights have a digest; None if there is none."""
        return next((name for name, tasks in self.controls.items() if digest is not None and tasks.get(task) == digest), None)

    def mistakes_of(self, name: str, checkpoints: Mapping[str, Any]) -> Iterator[Mistake]:
        """Mistakes of a submission as its file has it: a control that is not declared, or a control's weights under another name."""
        declared = self.controls.get(name)
        if is_control_name(name) and declared is None:
            consequence, remedy = f"is no control of suite {self.suite!r}, and the names are reserved for them", "choose another name"
            yield Mistake("submission.undeclared-control", ("name",), f"name {name!r}", consequence, remedy)
            return
        for task, checkpoint in checkpoints.items():
            digest = checkpoint.get("sha256") if isinstance(checkpoint, dict) else None
            if declared is not None and declared.get(task) not in (None, digest):
                consequence = "is not that of the control's weights"
                remedy = "restore it, or correct the suite's controls.yaml"
                yield Mistake("submission.other-control", ("checkpoints", task, "sha256"), f"digest {digest}", consequence, remedy)
            elif declared is None and (twin := self.control_of(task, digest)):
                yield Mistake("submission.twin", ("checkpoints", task, "sha256"), *twin_of(twin))
            elif declared is None and is_original(checkpoint):
                yield Mistake("submission.twin", ("checkpoints", task, "format"), *twin_of(ORIGINAL))


def is_original(checkpoint: Any) -> bool:
    """Whether a checkpoint, as a file has it, is θ itself, without an inference rule."""
    return isinstance(checkpoint, dict) and checkpoint.get("format") == ORIGINAL_FORMAT and checkpoint.get("inference") is None


def twin_of(twin: str) -> tuple[str, str, str]:
    """Value, consequence and remedy of weights that are another submission's."""
    return "the weights", f"are those of {twin}, so the row would be a copy of its row", OWN_WEIGHTS


def check_no_twin(controls: Controls | None, submission: Submission, task: str, digest: str | None) -> None:
    """Check the digest of weights that were read; a submission need not state one.

    Raises:
        CheckFailed: they are a control's, and the submission is none.
    """
    twin = controls.control_of(task, digest) if controls and not submission.is_control else None
    if twin:
        raise CheckFailed("submission.twin", *twin_of(twin))
