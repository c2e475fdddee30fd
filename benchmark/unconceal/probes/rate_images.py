"""Showing a vision-language model θ's pictures of target and neighbours, pair by pair; what it says is kept at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from unconceal.errors import CheckFailed
from unconceal.probes.aggregate import estimate
from unconceal.probes.providers import Provider
from unconceal.probes.rating_prompt import TEXT, VERSION, likeness, likeness_question
from unconceal.probes.transcript import write_bytes
from unconceal.progress import Progress
from unconceal.specs.elicitation import Decoding
from unconceal.specs.image_ratings import RatedPair, Rating
from unconceal.specs.probe_set import Estimate
from unconceal.specs.task import Task

Pairs = Mapping[str, Sequence[tuple[bytes, bytes]]]
"""By neighbour the PNG files of the target and of it."""


@dataclass(frozen=True)
class Ratings:
    """What was shown to whom, and every rating in the order in which they came."""

    shown: RatedPair
    ratings: tuple[Rating, ...] = ()

    def has(self, neighbour: str, pair: int) -> bool:
        return any((rating.neighbour, rating.pair) == (neighbour, pair) for rating in self.ratings)

    @property
    def by_neighbour(self) -> dict[str, Estimate]:
        """Mean and spread of the answered ratings of each neighbour that has one."""
        found: dict[str, list[int]] = {}
        for rating in self.ratings:
            if rating.value is not None:
                found.setdefault(rating.neighbour, []).append(rating.value)
        return {neighbour: estimate(values) for neighbour, values in found.items()}


def shown_by(provider: Provider, task: Task, base: str, decoding: Decoding) -> RatedPair:
    """What the first line of the ratings says."""
    return RatedPair(
        suite=task.suite,
        task=task.id,
        model=provider.model,
        revision=provider.revision,
        provider=provider.kind,
        prompt_version=VERSION,
        prompt_digest=hashlib.sha256(TEXT.encode()).hexdigest(),
        decoding=decoding,
        base=base,
    )


def rate(provider: Provider, target: str, pairs: Pairs, shown: RatedPair, path: Path, progress: Progress) -> Ratings:
    """Ask once about every pair that has no rating yet; the file is written after each.

    Raises:
        CheckFailed: the ratings that are there are of other pictures, another model or another decoding.
        UnconcealError: the provider cannot be reached, or takes no pictures.
    """
    found = read_ratings(path) if path.exists() else Ratings(shown)
    if found.shown != shown:
        remedy = "repeat the options that it was begun with, or name another folder with --out"
        raise CheckFailed(str(path), "holds ratings that were asked for otherwise, and one set cannot mix them", remedy)
    stage = progress.stage(f"showing {shown.model} pictures for {shown.task}", sum(map(len, pairs.values())))
    for number, (neighbour, pair, pictures) in enumerate(every(pairs)):
        if not found.has(neighbour, pair):
            seed = None if shown.decoding.seed is None else shown.decoding.seed + number
            said = likeness(provider, likeness_question(target, neighbour, pictures), shown.decoding, seed or 0)
            when = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            text = said.text.encode("utf-8", "replace").decode()
            rating = Rating(
                neighbour=neighbour, pair=pair, seed=seed, date=when, form=said.form, outcome=said.outcome, value=said.value, text=text
            )
            found = Ratings(shown, (*found.ratings, rating))
            write_ratings(found, path)
        stage.advance()
    return found


def every(pairs: Pairs) -> Iterator[tuple[str, int, tuple[bytes, bytes]]]:
    """(neighbour, number, pictures), the first pair of all before the second of any."""
    for pair in range(max(map(len, pairs.values()), default=0)):
        for neighbour, pictures in pairs.items():
            if pair < len(pictures):
                yield neighbour, pair, pictures[pair]


def read_ratings(path: Path) -> Ratings:
    """A file of ratings, every line checked.

    Raises:
        CheckFailed: it cannot be read, or a line is not what it should be.
    """
    try:
        lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
        return Ratings(
            RatedPair.model_validate_json(lines[0], strict=True), tuple(Rating.model_validate_json(line, strict=True) for line in lines[1:])
        )
    except (OSError, IndexError, ValidationError) as error:
        consequence = f"is not what `unconceal probes liken` writes ({type(error).__name__})"
        raise CheckFailed(str(path), consequence, "show the pictures again") from error


def write_ratings(found: Ratings, path: Path) -> None:
    """Put the file in place whole.

    Raises:
        EnvironmentFault: the disk is full or the folder cannot be written.
    """
    lines = [found.shown.model_dump_json(), *(rating.model_dump_json() for rating in found.ratings)]
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())


def ratings_file(folder: Path, stem: str) -> Path:
    """Where the ratings of a language model lie."""
    return folder / f"{stem}.likeness.jsonl"
