"""Ratings of θ's images of target and neighbours by a vision-language model, pair by pair. Each rating is saved at once."""

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
from unconceal.probes.rating_prompt import TEXT, VERSION, rate_pair, rating_question
from unconceal.probes.transcript import write_bytes
from unconceal.progress import Progress
from unconceal.specs.elicitation import Decoding
from unconceal.specs.image_ratings import Rating, RatingRequest
from unconceal.specs.probe_set import Estimate
from unconceal.specs.task import Task

ImagePairs = Mapping[str, Sequence[tuple[bytes, bytes]]]
"""For each neighbour, pairs of PNG files (target, neighbour)."""


@dataclass(frozen=True)
class Ratings:
    """The request, and all ratings in order of arrival."""

    request: RatingRequest
    ratings: tuple[Rating, ...] = ()

    def has(self, neighbour: str, pair: int) -> bool:
        return any((rating.neighbour, rating.pair) == (neighbour, pair) for rating in self.ratings)

    @property
    def by_neighbour(self) -> dict[str, Estimate]:
        """Mean and standard deviation of the answered ratings, per neighbour."""
        values_by_neighbour: dict[str, list[int]] = {}
        for rating in self.ratings:
            if rating.value is not None:
                values_by_neighbour.setdefault(rating.neighbour, []).append(rating.value)
        return {neighbour: estimate(values) for neighbour, values in values_by_neighbour.items()}


def rating_request(provider: Provider, task: Task, base: str, decoding: Decoding) -> RatingRequest:
    """The header of the ratings file."""
    return RatingRequest(
        suite=task.suite,
        task=task.id,
        model=provider.model,
        revision=provider.revision,
        provider=provider.kind,
        prompt_version=VERSION,
        prompt_digest=hashlib.sha256(TEXT.encode()).hexdigest(),
        decoding=decoding,
        base_digest=base,
    )


def rate(provider: Provider, target: str, pairs: ImagePairs, request: RatingRequest, path: Path, progress: Progress) -> Ratings:
    """Rate every pair that has no rating yet. The file is written after each.

    Raises:
        CheckFailed: the stored ratings belong to other images, another model or other decoding settings.
        UnconcealError: the provider cannot be reached or accepts no images.
    """
    ratings = read_ratings(path) if path.exists() else Ratings(request)
    if ratings.request != request:
        remedy = "repeat the original options, or name another folder with --out"
        raise CheckFailed("ratings.mixed-settings", str(path), "holds ratings of another request, and one set cannot mix them", remedy)
    stage = progress.stage(f"rating images of {request.task} with {request.model}", sum(map(len, pairs.values())))
    for number, (neighbour, pair, images) in enumerate(interleaved_pairs(pairs)):
        if not ratings.has(neighbour, pair):
            seed = None if request.decoding.seed is None else request.decoding.seed + number
            reply = rate_pair(provider, rating_question(target, neighbour, images), request.decoding, seed or 0)
            timestamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            text = reply.text.encode("utf-8", "replace").decode()
            rating = Rating(
                neighbour=neighbour,
                pair=pair,
                seed=seed,
                date=timestamp,
                form=reply.form,
                outcome=reply.outcome,
                value=reply.value,
                text=text,
            )
            ratings = Ratings(request, (*ratings.ratings, rating))
            write_ratings(ratings, path)
        stage.advance()
    return ratings


def interleaved_pairs(pairs: ImagePairs) -> Iterator[tuple[str, int, tuple[bytes, bytes]]]:
    """(neighbour, index, images); the first pairs of all neighbours precede the second pairs."""
    for pair in range(max(map(len, pairs.values()), default=0)):
        for neighbour, images in pairs.items():
            if pair < len(images):
                yield neighbour, pair, images[pair]


def read_ratings(path: Path) -> Ratings:
    """Read and validate a ratings file.

    Raises:
        CheckFailed: the file is unreadable, or a line is invalid.
    """
    try:
        lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
        request = RatingRequest.model_validate_json(lines[0], strict=True)
        return Ratings(request, tuple(Rating.model_validate_json(line, strict=True) for line in lines[1:]))
    except (OSError, IndexError, ValidationError) as error:
        consequence = f"is not a file of `unconceal probes rate-images` ({type(error).__name__})"
        raise CheckFailed("ratings.unreadable", str(path), consequence, "rate the images again") from error


def write_ratings(ratings: Ratings, path: Path) -> None:
    """Write the file atomically.

    Raises:
        EnvironmentFault: the disk is full or the folder cannot be written.
    """
    lines = [ratings.request.model_dump_json(), *(rating.model_dump_json() for rating in ratings.ratings)]
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())


def ratings_file(folder: Path, stem: str) -> Path:
    """Path of a language model's ratings."""
    return folder / f"{stem}.image-ratings.jsonl"
