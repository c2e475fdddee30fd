"""The base class of all specs: frozen, without unknown fields, and with located error messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


class Mistake(NamedTuple):
    """One mistake in a spec.

    Attributes:
        code: stable name of the kind of mistake, ``task.no-prompt``.
        location: path of the field below the model, ``("seeds", "train")``.
        value: the wrong value.
        consequence: what would follow from it.
        remedy: how to correct it.
    """

    code: str
    location: tuple[str | int, ...]
    value: str
    consequence: str
    remedy: str


class Spec(BaseModel):
    """A frozen model that refuses unknown fields and reports all mistakes at once."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def mistakes(self) -> Iterable[Mistake]:
        """Mistakes that involve several fields; subclasses override this."""
        return ()

    def content(self, **options: Any) -> Json:
        """The values that differ from their defaults, as plain JSON.

        Digests cover these values, so that a new field with a default changes no older digest. The default of a field
        therefore never changes.

        Args:
            options: passed on to ``model_dump``, ``include`` or ``exclude``.
        """
        return self.model_dump(mode="json", exclude_defaults=True, **options)

    @model_validator(mode="after")
    def _refuse_mistakes(self) -> Self:
        mistakes = list(self.mistakes())
        if mistakes:
            message = "; ".join(f"{mistake.value} {mistake.consequence}" for mistake in mistakes)
            raise PydanticCustomError("mistakes", "{message}", {"message": message, "mistakes": mistakes})
        return self


class Pinned(Spec):
    """A file or folder with its digest.

    Attributes:
        path: see :func:`unconceal.paths.resolve_path`; with ``repo``, a path within the repository, "." for all of it.
        digest: SHA-256; all zeros: not pinned yet.
        repo: repository on the Hub.
        revision: commit of the repository.
        license: of the weights.
        gigabytes: size of the download.
    """

    path: str = Field(min_length=1)
    digest: Digest
    repo: Repo | None = None
    revision: Revision | None = None
    license: str | None = None
    gigabytes: float | None = Field(None, gt=0)

    @property
    def title(self) -> str:
        """Short name for messages: the path, or repository and commit."""
        return self.path if self.repo is None else f"{self.repo}@{(self.revision or '')[:12]}"

    @property
    def is_draft(self) -> bool:
        """Whether the digest or the commit is missing, so that a change would go unnoticed."""
        return self.digest == UNPINNED or (self.repo is not None and not COMMIT.fullmatch(self.revision or ""))

    def mistakes(self) -> Iterable[Mistake]:
        """A repository without a revision, or the reverse."""
        if (self.repo is None) != (self.revision is None):
            yield Mistake(
                "spec.incomplete-reference", ("path",), "repo and revision", "stand one without the other", "give both, or neither"
            )


UNPINNED = "0" * 64
COMMIT = re.compile(r"[0-9a-f]{40}")
Repo = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9]+([._-][A-Za-z0-9_]+)*/[A-Za-z0-9]+([._-][A-Za-z0-9_]+)*$",
        max_length=200,
        description="a model on the Hub, owner/name",
    ),
]
Revision = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_./-]{0,199}$", description="a commit of 40 hex digits; a branch or tag is a draft")
]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 in hex")]
NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Name = Annotated[
    str,
    # With protocol and tier it is the name of a record's file, which file systems limit to 255 bytes.
    Field(
        pattern=NAME_PATTERN,
        max_length=100,
        description="lower-case words and digits joined by hyphens, at most 100 letters",
    ),
]
Key = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._*-]*$", max_length=100, description="name of a score, a judge or a seed block")
]
CONTROL = r"\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
"""Control characters, and marks of line and direction, as a class of a pattern."""
Line = Annotated[
    str,
    Field(
        pattern=rf"^[^{CONTROL}]*$",
        max_length=200,
        description="one line of text without control characters",
    ),
]
Ratio = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Json = dict[str, Any]
