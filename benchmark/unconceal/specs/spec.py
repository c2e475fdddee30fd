"""What every spec has in common: nothing unknown, nothing mutable, and mistakes that say where they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


class Mistake(NamedTuple):
    """Something wrong across fields. ``at``: the field's place below the model, e.g. ``("seeds", "train")``."""

    at: tuple[str | int, ...]
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
    """A file or folder and what it must hold. ``path`` is as in :func:`unconceal.paths.resolve_path`; all zeros: not pinned yet."""

    path: str = Field(min_length=1)
    digest: Digest


Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 in hex")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="lower-case words and digits joined by hyphens")]
Ratio = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Json = dict[str, Any]
