"""Simulated raters: programs that answer the truth and err at a known rate. Their files are marked as simulated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leaderboard.records import PSI, record
from unconceal.ratings.rating_file import HumanRating, HumanRatingFile, RatedImage, RatingItem
from unconceal.specs.record import Curve, Record, SeedBlock

N_PROMPTS = 30


def truth(n_prompts: int = N_PROMPTS, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Whether an image shows the concept, (prompts, ψ): from a step of its own on for each prompt."""
    steps = np.random.default_rng(seed).integers(2, len(PSI) - 2, size=n_prompts)
    return (np.arange(len(PSI))[None, :] >= steps[:, None]).astype(float)


def curve(name: str, values: np.ndarray[tuple[int, int], np.dtype[np.float64]], extractor: str | None = None, arm: str = "prompt") -> Curve:
    """A curve of per-prompt values."""
    means = tuple(map(float, values.mean(axis=0)))
    steps, rows = tuple(range(len(PSI))), tuple(tuple(map(float, row)) for row in values)
    fields = {"name": name, "split": "forget", "arm": arm, "extractor": extractor, "psi": PSI, "k": steps, "n": len(values)}
    return Curve.model_validate({**fields, "value": means, "low": means, "high": means, "per_prompt": rows})


def rated_record(
    name: str,
    presence: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    crs: np.ndarray[tuple[int, int], np.dtype[np.float64]] | None = None,
) -> Record:
    """A record with one evaluation seed per prompt; CRS is the presence unless given."""
    scores = presence if crs is None else crs
    judged = (curve("presence", presence), curve("presence", presence, arm="empty"))
    scored = (curve("crs.signed", scores, "resnet18"), curve("ccs", scores, "resnet18"))
    return record(name, curves=(*judged, *scored), seeds={"evaluation": SeedBlock(start=200, count=1)})


def image_item(entry: Record, prompt: int, psi: float) -> RatingItem:
    """A single image."""
    return RatingItem(images=(rated(entry, prompt, psi),))


def rated(entry: Record, prompt: int, psi: float) -> RatedImage:
    """An image of a record."""
    return RatedImage(
        suite=entry.suite,
        suite_version=entry.suite_version,
        task=entry.task,
        submission=entry.submission,
        tier=entry.tier,
        measured=entry.measured_digest,
        prompt=prompt,
        seed=0,
        arm="prompt",
        psi=psi,
        pixels="0" * 64,
    )


def simulated_rater(number: int, items: Sequence[RatingItem], present: Sequence[bool], error: float) -> HumanRatingFile:
    """A rater that says the opposite of the truth at this rate."""
    wrong = np.random.default_rng(100 + number).random(len(items)) < error
    answers = ["present" if shows != bool(errs) else "absent" for shows, errs in zip(present, wrong, strict=True)]
    ratings = [HumanRating.model_validate({"item": item, "answer": answer}) for item, answer in zip(items, answers, strict=True)]
    return HumanRatingFile(rater=f"r-{number:016x}", simulated=True, ratings=tuple(ratings))
