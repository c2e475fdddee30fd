"""What every spec has in common: nothing unknown, nothing mutable, and mistakes that say where they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


class Mistake(NamedTuple):
    """Something wrong across fields. ``at``: the field's place below the model, e.g. ``("seeds", "train")``."""

    code: str
    location: tuple[str | int, ...]
    value: str
    consequence: str
    remedy: str


class Spec(BaseModel):
    """A frozen model that refuses unknown fields and reports every mistake of :meth:`mistakes` at once."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def mistakes(self) -> Iterable[Mistake]:
        """What is wrong although every field by itself is right."""
        return ()

    def content(self, **narrowed: Any) -> Json:
        """What it says beyond its defaults, as plain JSON values; ``narrowed`` goes to ``model_dump``.

        Digests are taken over this, so that a field that is added later, with a default, leaves every older digest as it is.
        The default of a field therefore never changes.
        """
        return self.model_dump(mode="json", exclude_defaults=True, **narrowed)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        found = list(self.mistakes())
        if found:
            said = "; ".join(f"{mistake.value} {mistake.consequence}" for mistake in found)
            raise PydanticCustomError("mistakes", "{said}", {"said": said, "mistakes": found})
        return self


class Pinned(Spec):
    """A file or folder and what it must hold; a digest of zeros: not pinned yet.

    ``path`` is as in :func:`unconceal.paths.resolve_path`, or a place in a ``repo`` on the Hub, "." for all of it. ``license``,
    ``gigabytes``: of what has to be downloaded.
    """

    path: str = Field(min_length=1)
    digest: Digest
    repo: Repo | None = None
    revision: Revision | None = None
    license: str | None = None
    gigabytes: float | None = Field(None, gt=0)

    @property
    def title(self) -> str:
        """What it is called in a line: its path, or its repository."""
        return self.path if self.repo is None else f"{self.repo}@{(self.revision or '')[:12]}"

    @property
    def is_draft(self) -> bool:
        """Whether nobody could tell if it changed: it has no digest yet, or a name that may move."""
        return self.digest == UNPINNED or (self.repo is not None and not COMMIT.fullmatch(self.revision or ""))

    def mistakes(self) -> Iterable[Mistake]:
        """Half a reference to the Hub."""
        if (self.repo is None) != (self.revision is None):
            yield Mistake(
                "spec.incomplete-reference", ("path",), "repo and revision", "stand one without the other", "give both, or neither"
            )


UNPINNED = "0" * 64
COMMIT = re.compile(r"[0-9a-f]{40}")
Repo = Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}$", description="a model on the Hub, owner/name")]
Revision = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][\w./-]{0,199}$", description="a commit of 40 hex digits; a branch or tag is a draft")
]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 in hex")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="lower-case words and digits joined by hyphens")]
Ratio = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Json = dict[str, Any]
