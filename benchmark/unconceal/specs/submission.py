"""A submission: one unlearning method, and its checkpoint for each task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from unconceal.paths import IN_PACKAGE, escapes
from unconceal.specs.spec import Digest, Mistake, Name, Spec

Format = Literal["auto", "original", "pipeline", "components", "state-dict"]
TaskId = Annotated[str, Field(pattern=r"^[a-z-]+/[a-z0-9-]+$", description="category/concept, e.g. object/star")]


class Checkpoint(Spec):
    """The released weights for one task. ``format`` original: the base itself, which needs no file."""

    path: str | None = None
    format: Format = "auto"
    sha256: Digest | None = None

    def mistakes(self) -> Iterator[Mistake]:
        """A path that is missing, needless, or leaves the data root."""
        if (self.path is None) != (self.format == "original"):
            value = "format 'original'" if self.path else f"format {self.format!r}"
            consequence = "means the base itself, so a path contradicts it" if self.path else "needs weights, but no path is given"
            yield Mistake(("path",) if self.path else ("format",), value, consequence, "give a path, or format: original, not both")
        if self.path is not None and escapes(self.path.removeprefix(IN_PACKAGE)):
            remedy = "give a path relative to the data root, without '..'"
            yield Mistake(("path",), repr(self.path), "leaves the data root, so it is not opened", remedy)


class Submission(Spec):
    """One method and its checkpoints by task id. Names that begin with ``control-`` are the suite's own."""

    name: Name
    suite: Name
    title: str = Field(min_length=1)
    description: str = Field(min_length=1)
    paper: str | None = None
    code: str | None = None
    licence: str | None = None
    contact: str | None = None
    checkpoints: dict[TaskId, Checkpoint] = Field(min_length=1)

    @property
    def is_control(self) -> bool:
        """Whether it is one of the suite's yardsticks."""
        return self.name.startswith("control-")

    @property
    def is_gold(self) -> bool:
        """Whether it is a model that never saw the concept."""
        return self.name.startswith("control-gold-")
