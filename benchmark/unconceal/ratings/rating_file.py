"""Ratings files: what one rater answered, without anything about the person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, ValidationError

from unconceal.errors import CheckFailed
from unconceal.files import path_below, read_regular_file, write_atomically
from unconceal.specs.digests import canonical_digest
from unconceal.specs.spec import Digest, Mistake, Name, Spec
from unconceal.specs.submission import TaskId
from unconceal.specs.suite import Arm

SCHEMA_VERSION: Literal[1] = 1
RaterId = Annotated[str, Field(pattern=r"^r-[0-9a-f]{16}$", description="random; says nothing about the person")]
ImageAnswer = Literal["present", "absent", "unsure"]
PairAnswer = Literal["first", "second", "same", "unsure"]
IMAGE_ANSWERS: tuple[ImageAnswer, ...] = get_args(ImageAnswer)
PAIR_ANSWERS: tuple[PairAnswer, ...] = get_args(PairAnswer)
MAX_BYTES = 16 * 2**20


class RatedImage(Spec):
    """An image of a record.

    Attributes:
        measured: the record's measured digest, by which it is found again.
        prompt: index of the forget prompt.
        pixels: SHA-256 of the image as raters see it.
    """

    suite: Name
    suite_version: int = Field(ge=0)
    task: TaskId
    submission: Name
    tier: Name
    measured: Digest
    prompt: int = Field(ge=0)
    seed: int = Field(ge=0)
    arm: Arm
    psi: float = Field(ge=0, le=1)
    pixels: Digest


class RatingItem(Spec):
    """One question: an image alone, or a pair of the same prompt, seed, arm and ψ from two models."""

    images: tuple[RatedImage, ...] = Field(min_length=1, max_length=2)

    @property
    def id(self) -> str:
        """Name of the item, which tells neither model nor ψ."""
        return canonical_digest(self.content())[:16]

    @property
    def is_pair(self) -> bool:
        return len(self.images) == 2


class HumanRating(Spec):
    """The answer to one item. ``first`` and ``second``: the images of the item, wherever they stood on the page."""

    item: RatingItem
    answer: ImageAnswer | PairAnswer

    def mistakes(self) -> Iterator[Mistake]:
        """An answer to the other kind of item."""
        if self.answer not in (PAIR_ANSWERS if self.item.is_pair else IMAGE_ANSWERS):
            remedy = "leave ratings files as `unconceal rate serve` writes them"
            yield Mistake("ratings.wrong-answer", ("answer",), repr(self.answer), "answers no such item", remedy)


class HumanRatingFile(Spec):
    """All answers of one rater. ``simulated``: by a program of known error, for tests; never mixed with those of people."""

    schema_version: Literal[1] = SCHEMA_VERSION
    rater: RaterId
    simulated: bool = False
    ratings: tuple[HumanRating, ...] = ()

    def mistakes(self) -> Iterator[Mistake]:
        """An item that is rated twice."""
        ids = [rating.item.id for rating in self.ratings]
        if len(set(ids)) < len(ids):
            yield Mistake(
                "ratings.rated-twice", ("ratings",), "an item", "is rated twice, and would count twice", "keep one of its ratings"
            )

    def answered(self, rating: HumanRating) -> HumanRatingFile:
        """A copy with a further answer, which replaces an earlier one to the same item."""
        others = tuple(other for other in self.ratings if other.item.id != rating.item.id)
        return self.model_copy(update={"ratings": (*others, rating)})


def rating_path(folder: Path, rater: str) -> Path:
    """The file of one rater."""
    return path_below(folder, f"{rater}.ratings.json")


def read_ratings(path: Path) -> HumanRatingFile:
    """Read a ratings file.

    Raises:
        CheckFailed: it is missing, too large, or no ratings file.
    """
    remedy = "restore it, or leave it out"
    try:
        return HumanRatingFile.model_validate_json(read_regular_file(path, MAX_BYTES))
    except OSError as error:
        raise CheckFailed("ratings.unreadable", str(path), f"cannot be read ({error.strerror})", remedy) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        location = ".".join(map(str, first["loc"])) or "the file"
        raise CheckFailed("ratings.invalid", str(path), f"is no ratings file ({location}: {first['msg']})", remedy) from error


def write_ratings(folder: Path, ratings: HumanRatingFile) -> Path:
    """Write a rater's file atomically, after every answer."""
    path = rating_path(folder, ratings.rater)
    write_atomically(path, (ratings.model_dump_json(indent=1) + "\n").encode())
    return path


def read_all(paths: Iterable[Path]) -> tuple[HumanRatingFile, ...]:
    """Ratings files of several raters.

    Raises:
        CheckFailed: a file is invalid, a rater has two files, or ratings of programs are mixed with those of people.
    """
    files = tuple(map(read_ratings, paths))
    raters = [file.rater for file in files]
    if len(set(raters)) < len(raters):
        value = next(rater for rater in raters if raters.count(rater) > 1)
        raise CheckFailed("ratings.duplicate-rater", value, "has two files, so its answers would count twice", "keep the longer file")
    if len({file.simulated for file in files}) > 1:
        value = ", ".join(file.rater for file in files if file.simulated)
        raise CheckFailed("ratings.simulated", value, "is a program and no person, so the figures would mean nothing", "leave its file out")
    return files
