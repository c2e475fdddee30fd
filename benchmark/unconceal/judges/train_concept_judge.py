"""Makes a suite's concept judge of θ's own pictures, concept by concept, and holds it to its gate on prompts that it never saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from unconceal.errors import CheckFailed
from unconceal.judges.augmentations import training_set
from unconceal.judges.concept_judge import NONE, UNREADABLE, BalancedAccuracy, ConceptJudge, Names, Part, fit_head, gated, judge_features
from unconceal.judges.judge_prompts import Asked, Concept
from unconceal.specs.judge_training import JudgeGate, JudgeTraining, LabelGate

Pixels = NDArray[np.uint8]
LEAST = 2
"""Confirmed pictures of a concept below which its label is left out."""


class Drawn(NamedTuple):
    """θ's pictures, uint8 (n, h, w, 3), n = prompts × seeds, and its clean predictions x̂0 on the way to each."""

    pixels: Pixels
    clean: Pixels


Draw = Callable[[Asked, str], Drawn]
"""What is asked and "train" or "held out" → pictures."""


class Checker(Protocol):
    """Who says independently what a picture shows: CLIP."""

    def zero_shot(self, pixels: Pixels, texts: Sequence[str]) -> NDArray[np.int64]: ...


@dataclass
class Rows:
    """Features (n, d) in blocks, and n names per head."""

    blocks: list[NDArray[np.float32]] = field(default_factory=list)
    names: dict[str, list[str | None]] = field(default_factory=lambda: {"subject": [], "style": []})

    def add(self, features: NDArray[np.float32], names: Names) -> None:
        self.blocks.append(features)
        for head, of_head in self.names.items():
            of_head.extend(names[head])

    @property
    def features(self) -> NDArray[np.float32]:
        return np.concatenate(self.blocks)

    @property
    def asked(self) -> dict[str, list[str | None]]:
        """The names of the heads that have a concept."""
        return {head: names for head, names in self.names.items() if set(names) - {None, UNREADABLE}}


def confirmed(checker: Checker, pixels: Pixels, concept: Concept | None) -> NDArray[np.int64]:
    """Places of the pictures in which CLIP finds the concept rather than any that stands beside it in a task; all where there is none."""
    if concept is None or not len(pixels):
        return np.arange(len(pixels))
    return np.flatnonzero(checker.zero_shot(pixels, concept.among) == concept.among.index(concept.caption))


def named(asked: Asked, count: int) -> dict[str, list[str | None]]:
    """Names of ``count`` pictures of one concept; the other head is not asked about them."""
    label = NONE if asked.concept is None else asked.concept.label
    return {head: [label if head == asked.head else None] * count for head in ("subject", "style")}


def learn(rows: Rows, asked: Asked, drawn: Drawn, parts: Sequence[Part], checker: Checker, seed: int) -> None:
    """Add one concept's confirmed pictures, whole, lightly disturbed, as x̂0, and some made unreadable."""
    right = confirmed(checker, drawn.pixels, asked.concept)
    if len(right) < LEAST:
        return
    pixels, clean = drawn.pixels[right], drawn.clean[right]
    soft = confirmed(checker, clean, asked.concept)
    # Those whose x̂0 shows the concept, too, stand first, since so many are taken of the softened ones.
    order = [*soft, *sorted(set(range(len(pixels))) - set(soft.tolist()))]
    made = training_set(pixels[order], named(asked, len(pixels)), seed, softened=clean[soft] if len(soft) else None)
    rows.add(judge_features(parts, made.pixels), made.labels)


def train(
    asked: Sequence[Asked],
    draw: Draw,
    parts: Mapping[str, Part],
    digests: Mapping[str, str],
    checker: Checker,
    wrecked: Pixels,
    how: JudgeTraining,
) -> ConceptJudge:
    """The judge. ``wrecked``: pictures (n, h, w, 3) of a destroyed model, which are unreadable.

    Raises:
        CheckFailed: the check confirmed next to nothing, so there is nothing to learn from.
    """
    rows, standing = Rows(), tuple(parts.values())
    for number, one in enumerate(asked):
        learn(rows, one, draw(one, "train"), standing, checker, how.seed * 10_000 + number)
    if not any(len(set(names) - {None, UNREADABLE}) > 1 for names in rows.names.values()):
        consequence = "shows the concepts that were asked for by CLIP's word, so there is nothing that a judge could be taught from"
        raise CheckFailed("hardly a picture", consequence, "see whether base and CLIP are those of the suite")
    if len(wrecked):
        rows.add(judge_features(standing, wrecked), {head: [UNREADABLE] * len(wrecked) for head in rows.names})
    return ConceptJudge(fit_head(rows.features, rows.asked, how.seed), standing, dict(digests))


def hold(judge: ConceptJudge, asked: Iterable[Asked], draw: Draw, checker: Checker) -> dict[str, BalancedAccuracy]:
    """Balanced accuracy of every label on confirmed pictures of held-out prompts."""
    said: dict[str, list[str]] = {head: [] for head in judge.head.labels}
    truth: dict[str, list[str | None]] = {head: [] for head in judge.head.labels}
    for one in asked:
        pixels = draw(one, "held out").pixels
        pixels = pixels[confirmed(checker, pixels, one.concept)]
        if not len(pixels):
            continue
        answers, names = judge.labels(pixels), named(one, len(pixels))
        for head in said:
            said[head] += answers[head]
            truth[head] += names[head]
    return gated(said, truth)


def gate_of(found: Mapping[str, BalancedAccuracy], digest: str, least: float) -> JudgeGate:
    """The measurements as they are kept beside the judge."""
    labels = {
        label: LabelGate(
            value=None if not one.positives or not one.negatives else round(one.value, 6),
            low=round(one.interval.low, 6),
            high=round(one.interval.high, 6),
            positives=one.positives,
            negatives=one.negatives,
        )
        for label, one in sorted(found.items())
    }
    return JudgeGate(judge=digest, least=least, labels=labels)


def gate_text(gate: JudgeGate) -> str:
    """As its file holds it."""
    return gate.model_dump_json(indent=1) + "\n"
