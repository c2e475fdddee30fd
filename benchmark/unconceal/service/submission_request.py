"""What an author sends: a checkpoint on the Hub at a commit, for one task. No address, no upload."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from unconceal.specs.digests import canonical_digest
from unconceal.specs.spec import Line, Mistake, Name, Spec
from unconceal.specs.submission import WEIGHTS_SUFFIXES, Submission, TaskId, is_control_name
from unconceal.specs.submission_draft import parse_checkpoint
from unconceal.specs.suite import TierName

PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
REFERENCE = re.compile(rf"{PART}/{PART}@[0-9a-f]{{40}}(/{PART}){{0,4}}", re.ASCII)
"""``owner/name@commit``, or the same followed by a file or folder."""
Sentence = Annotated[Line, Field(min_length=1)]


class SubmissionRequest(Spec):
    """One checkpoint of one method for one task."""

    reference: str = Field(max_length=600, description="owner/name@commit, or the same followed by /file or /folder")
    suite: Name
    task: TaskId
    tier: TierName = "full"
    name: Name
    title: Sentence
    description: Sentence
    method: Name | None = None
    paper: Line | None = Field(None, pattern=r"^https://", description="a web address")

    def mistakes(self) -> Iterator[Mistake]:
        """A reference that is none or names no weights, and names that are the suite's own."""
        if not REFERENCE.fullmatch(self.reference) or ".." in self.reference:
            remedy = "give owner/name@commit, with the commit's 40 hex digits, and if need be /file or /folder"
            yield Mistake("request.bad-reference", ("reference",), repr(self.reference[:120]), "names no checkpoint on the Hub", remedy)
        elif not parse_checkpoint(self.reference).get("file", WEIGHTS_SUFFIXES[0]).endswith(WEIGHTS_SUFFIXES):
            remedy = f"name a file that ends in {', '.join(WEIGHTS_SUFFIXES)}"
            yield Mistake("submission.unknown-weights", ("reference",), repr(self.reference), "names no weights file", remedy)
        if is_control_name(self.name):
            yield Mistake("request.reserved-name", ("name",), repr(self.name), "is a name of the suite's own", "choose another one")

    @property
    def key(self) -> str:
        """Digest of what would be measured: equal requests are one job."""
        return canonical_digest(self.content(include={"reference", "suite", "task", "tier"}))

    def submission(self) -> Submission:
        """The submission file's content."""
        checkpoint = parse_checkpoint(self.reference)
        fields = self.model_dump(include={"suite", "name", "title", "description", "method", "paper"}, exclude_none=True)
        return Submission.model_validate({**fields, "checkpoints": {self.task: checkpoint}})
