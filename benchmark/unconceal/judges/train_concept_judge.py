"""Trains a suite's concept judge on θ's own images, concept by concept, and measures its gate on held-out prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from unconceal.errors import CheckFailed
from unconceal.judges.augmentations import training_set
from unconceal.judges.concept_judge import (
    NONE,
    UNREADABLE,
    Backbone,
    BalancedAccuracy,
    ConceptJudge,
    Labels,
    balanced_accuracies,
    fit_head,
    judge_features,
)
from unconceal.judges.judge_prompts import JudgeConcept, JudgePrompts
from unconceal.specs.judge_training import JudgeGate, JudgeTraining, LabelGate

Pixels = NDArray[np.uint8]
MIN_CONFIRMED_IMAGES = 2
"""A concept with fewer confirmed images has no label."""


class JudgeImages(NamedTuple):
    """θ's images, uint8 (n, h, w, 3), n = prompts × seeds, and its clean predictions x̂0 during their generation, same shape."""

    pixels: Pixels
    clean: Pixels


ImageSource = Callable[[JudgePrompts, str], JudgeImages]
"""Prompts and "train" or "held out" → images."""


class ConceptChecker(Protocol):
    """An independent zero-shot classifier: CLIP."""

    def zero_shot(self, pixels: Pixels, texts: Sequence[str]) -> NDArray[np.int64]: ...


@dataclass
class JudgeTrainingRows:
    """Features (n, d) in blocks, and n labels per head."""

    blocks: list[NDArray[np.float32]] = field(default_factory=list)
    labels: dict[str, list[str | None]] = field(default_factory=lambda: {"subject": [], "style": []})

    def add(self, features: NDArray[np.float32], labels: Labels) -> None:
        self.blocks.append(features)
        for head, head_labels in self.labels.items():
            head_labels.extend(labels[head])

    @property
    def features(self) -> NDArray[np.float32]:
        return np.concatenate(self.blocks)

    @property
    def used_labels(self) -> dict[str, list[str | None]]:
        """The labels of the heads that have a concept."""
        return {head: names for head, names in self.labels.items() if set(names) - {None, UNREADABLE}}


def confirmed_indices(checker: ConceptChecker, pixels: Pixels, concept: JudgeConcept | None) -> NDArray[np.int64]:
    """Indices of the images whose nearest caption, by CLIP, is the concept's.

    Args:
        checker: compares the concept with its ``contrast_captions``.
        pixels: (n, h, w, 3) images, uint8.
        concept: what the prompts ask for; None: no concept, every image is confirmed.

    Returns:
        Ascending indices, at most n.
    """
    if concept is None or not len(pixels):
        return np.arange(len(pixels))
    return np.flatnonzero(checker.zero_shot(pixels, concept.contrast_captions) == concept.contrast_captions.index(concept.caption))


def image_labels(prompts: JudgePrompts, count: int) -> dict[str, list[str | None]]:
    """Labels of ``count`` images of one concept; None for the other head."""
    label = NONE if prompts.concept is None else prompts.concept.label
    return {head: [label if head == prompts.head else None] * count for head in ("subject", "style")}


def add_concept(
    rows: JudgeTrainingRows, prompts: JudgePrompts, images: JudgeImages, backbones: Sequence[Backbone], checker: ConceptChecker, seed: int
) -> None:
    """Add one concept's confirmed images: as they are, lightly disturbed, as x̂0, and some made unreadable."""
    confirmed = confirmed_indices(checker, images.pixels, prompts.concept)
    if len(confirmed) < MIN_CONFIRMED_IMAGES:
        return
    pixels, clean = images.pixels[confirmed], images.clean[confirmed]
    confirmed_clean = confirmed_indices(checker, clean, prompts.concept)
    # Images whose x̂0 is confirmed come first: training_set takes the softened images as versions of the first ones.
    order = [*confirmed_clean, *sorted(set(range(len(pixels))) - set(confirmed_clean.tolist()))]
    softened = clean[confirmed_clean] if len(confirmed_clean) else None
    augmented = training_set(pixels[order], image_labels(prompts, len(pixels)), seed, softened=softened)
    rows.add(judge_features(backbones, augmented.pixels), augmented.labels)


def train_judge(
    prompt_groups: Sequence[JudgePrompts],
    image_source: ImageSource,
    backbones: Mapping[str, Backbone],
    digests: Mapping[str, str],
    checker: ConceptChecker,
    damaged: Pixels,
    training: JudgeTraining,
) -> ConceptJudge:
    """Train the concept judge.

    Args:
        prompt_groups: prompts of every concept, and of none.
        image_source: draws θ's images of a group.
        backbones: feature extractors by name.
        digests: SHA-256 of the weights of each backbone.
        checker: confirms that images show their concept.
        damaged: (n, h, w, 3) images of a destroyed model, uint8, labelled unreadable.
        training: the suite's values.

    Raises:
        CheckFailed: too few confirmed images to train on.
    """
    rows, extractors = JudgeTrainingRows(), tuple(backbones.values())
    for number, group in enumerate(prompt_groups):
        add_concept(rows, group, image_source(group, "train"), extractors, checker, training.seed * 10_000 + number)
    if not any(len(set(names) - {None, UNREADABLE}) > 1 for names in rows.labels.values()):
        raise CheckFailed(
            "judge.no-images",
            "the images of the base model",
            "hardly show the concepts of their prompts, as CLIP sees them, so there is nothing to train a judge on",
            "check that base and CLIP are those of the suite",
        )
    if len(damaged):
        rows.add(judge_features(extractors, damaged), {head: [UNREADABLE] * len(damaged) for head in rows.labels})
    return ConceptJudge(fit_head(rows.features, rows.used_labels, training.seed), extractors, dict(digests))


def held_out_accuracies(
    judge: ConceptJudge, prompt_groups: Iterable[JudgePrompts], image_source: ImageSource, checker: ConceptChecker
) -> dict[str, BalancedAccuracy]:
    """Balanced accuracy of every label on confirmed images of held-out prompts, by ``head/label``."""
    answers: dict[str, list[str]] = {head: [] for head in judge.head.labels}
    truth: dict[str, list[str | None]] = {head: [] for head in judge.head.labels}
    for group in prompt_groups:
        pixels = image_source(group, "held out").pixels
        pixels = pixels[confirmed_indices(checker, pixels, group.concept)]
        if not len(pixels):
            continue
        group_answers, group_labels = judge.labels(pixels), image_labels(group, len(pixels))
        for head in answers:
            answers[head] += group_answers[head]
            truth[head] += group_labels[head]
    return balanced_accuracies(answers, truth)


def judge_gate(accuracies: Mapping[str, BalancedAccuracy], digest: str, min_accuracy: float) -> JudgeGate:
    """The accuracies as saved beside the judge; ``digest``: the judge's."""
    labels = {
        label: LabelGate(
            value=None if not accuracy.positives or not accuracy.negatives else round(accuracy.value, 6),
            low=round(accuracy.interval.low, 6),
            high=round(accuracy.interval.high, 6),
            positives=accuracy.positives,
            negatives=accuracy.negatives,
        )
        for label, accuracy in sorted(accuracies.items())
    }
    return JudgeGate(judge=digest, min_balanced_accuracy=min_accuracy, labels=labels)


def gate_json(gate: JudgeGate) -> str:
    """Text of the gate's file."""
    return gate.model_dump_json(indent=1) + "\n"
