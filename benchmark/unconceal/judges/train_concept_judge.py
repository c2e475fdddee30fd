"""Makes a suite's concept judge of θ's own pictures, concept by concept, and holds it to its gate on prompts that it never saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from unconceal.errors import CheckFailed
from unconceal.judges.augmentations import training_set
from unconceal.judges.concept_judge import NONE, UNREADABLE, BalancedAccuracy, ConceptJudge, Labels, Backbone, fit_head, balanced_accuracies, judge_features
from unconceal.judges.judge_prompts import JudgePrompts, JudgeConcept
from unconceal.specs.judge_training import JudgeGate, JudgeTraining, LabelGate

Pixels = NDArray[np.uint8]
MIN_CONFIRMED_IMAGES = 2
"""Confirmed pictures of a concept below which its label is left out."""


class JudgeImages(NamedTuple):
    """θ's pictures, uint8 (n, h, w, 3), n = prompts × seeds, and its clean predictions x̂0 on the way to each."""

    pixels: Pixels
    clean: Pixels


ImageSource = Callable[[JudgePrompts, str], JudgeImages]
"""What is asked and "train" or "held out" → pictures."""


class ConceptChecker(Protocol):
    """Who says independently what a picture shows: CLIP."""

    def zero_shot(self, pixels: Pixels, texts: Sequence[str]) -> NDArray[np.int64]: ...


@dataclass
class JudgeTrainingRows:
    """Features (n, d) in blocks, and n names per head."""

    blocks: list[NDArray[np.float32]] = field(default_factory=list)
    labels: dict[str, list[str | None]] = field(default_factory=lambda: {"subject": [], "style": []})

    def add(self, features: NDArray[np.float32], labels: Labels) -> None:
        self.blocks.append(features)
        for head, of_head in self.labels.items():
            of_head.extend(labels[head])

    @property
    def features(self) -> NDArray[np.float32]:
        return np.concatenate(self.blocks)

    @property
    def used_labels(self) -> dict[str, list[str | None]]:
        """The names of the heads that have a concept."""
        return {head: names for head, names in self.labels.items() if set(names) - {None, UNREADABLE}}


def confirmed_indices(checker: ConceptChecker, pixels: Pixels, concept: JudgeConcept | None) -> NDArray[np.int64]:
    """Places of the pictures in which CLIP finds the concept rather than any that stands beside it in a task; all where there is none."""
    if concept is None or not len(pixels):
        return np.arange(len(pixels))
    return np.flatnonzero(checker.zero_shot(pixels, concept.contrast_captions) == concept.contrast_captions.index(concept.caption))


def image_labels(prompts: JudgePrompts, count: int) -> dict[str, list[str | None]]:
    """Names of ``count`` pictures of one concept; the other head is not asked about them."""
    label = NONE if prompts.concept is None else prompts.concept.label
    return {head: [label if head == prompts.head else None] * count for head in ("subject", "style")}


def add_concept(rows: JudgeTrainingRows, prompts: JudgePrompts, images: JudgeImages, backbones: Sequence[Backbone], checker: ConceptChecker, seed: int) -> None:
    """Add one concept's confirmed pictures, whole, lightly disturbed, as x̂0, and some made unreadable."""
    right = confirmed_indices(checker, images.pixels, prompts.concept)
    if len(right) < MIN_CONFIRMED_IMAGES:
        return
    pixels, clean = images.pixels[right], images.clean[right]
    soft = confirmed_indices(checker, clean, prompts.concept)
    # Those whose x̂0 shows the concept, too, stand first, since so many are taken of the softened ones.
    order = [*soft, *sorted(set(range(len(pixels))) - set(soft.tolist()))]
    made = training_set(pixels[order], image_labels(prompts, len(pixels)), seed, softened=clean[soft] if len(soft) else None)
    rows.add(judge_features(backbones, made.pixels), made.labels)


def train_judge(
    prompt_groups: Sequence[JudgePrompts],
    image_source: ImageSource,
    backbones: Mapping[str, Backbone],
    digests: Mapping[str, str],
    checker: ConceptChecker,
    damaged: Pixels,
    training: JudgeTraining,
) -> ConceptJudge:
    """The judge. ``wrecked``: pictures (n, h, w, 3) of a destroyed model, which are unreadable.

    Raises:
        CheckFailed: the check confirmed next to nothing, so there is nothing to learn from.
    """
    rows, standing = JudgeTrainingRows(), tuple(backbones.values())
    for number, one in enumerate(prompt_groups):
        add_concept(rows, one, image_source(one, "train"), standing, checker, training.seed * 10_000 + number)
    if not any(len(set(names) - {None, UNREADABLE}) > 1 for names in rows.labels.values()):
        consequence = "shows the concepts that were asked for by CLIP's word, so there is nothing that a judge could be taught from"
        raise CheckFailed("judge.no-images", "hardly a picture", consequence, "see whether base and CLIP are those of the suite")
    if len(damaged):
        rows.add(judge_features(standing, damaged), {head: [UNREADABLE] * len(damaged) for head in rows.labels})
    return ConceptJudge(fit_head(rows.features, rows.used_labels, training.seed), standing, dict(digests))


def held_out_accuracies(judge: ConceptJudge, prompt_groups: Iterable[JudgePrompts], image_source: ImageSource, checker: ConceptChecker) -> dict[str, BalancedAccuracy]:
    """Balanced accuracy of every label on confirmed pictures of held-out prompts."""
    said: dict[str, list[str]] = {head: [] for head in judge.head.labels}
    truth: dict[str, list[str | None]] = {head: [] for head in judge.head.labels}
    for one in prompt_groups:
        pixels = image_source(one, "held out").pixels
        pixels = pixels[confirmed_indices(checker, pixels, one.concept)]
        if not len(pixels):
            continue
        answers, names = judge.labels(pixels), image_labels(one, len(pixels))
        for head in said:
            said[head] += answers[head]
            truth[head] += names[head]
    return balanced_accuracies(said, truth)


def judge_gate(accuracies: Mapping[str, BalancedAccuracy], digest: str, min_accuracy: float) -> JudgeGate:
    """The measurements as they are kept beside the judge."""
    labels = {
        label: LabelGate(
            value=None if not one.positives or not one.negatives else round(one.value, 6),
            low=round(one.interval.low, 6),
            high=round(one.interval.high, 6),
            positives=one.positives,
            negatives=one.negatives,
        )
        for label, one in sorted(accuracies.items())
    }
    return JudgeGate(judge=digest, min_balanced_accuracy=min_accuracy, labels=labels)


def gate_json(gate: JudgeGate) -> str:
    """As its file holds it."""
    return gate.model_dump_json(indent=1) + "\n"
