"""Generates images of a task's neighbours and attacks with θ and θ*, and reads them with CLIP and the concept judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unconceal.evaluation.measurements import ImageSource, generate_block, original_shards, target_presence
from unconceal.generate.image_cache import ImageGrid
from unconceal.generate.plan import Block, ProbePlan, ShardPlanner, attack_block
from unconceal.judges.clip import Clip
from unconceal.judges.concept_judge import PresenceJudge
from unconceal.metrics.attack import majority_present
from unconceal.metrics.statistics import FloatArray
from unconceal.specs.suite import Probing
from unconceal.specs.task import Depicted, Head, Task


@dataclass(frozen=True)
class NeighbourImages:
    """Images (prompts × seeds), prompts ordered by neighbour: θ's gate images, and both models' images on other seeds."""

    gate: ImageGrid
    original: ImageGrid
    unlearned: ImageGrid


def generate_neighbours(generator: ImageSource, plan: ProbePlan) -> NeighbourImages:
    """Every image of the neighbours, from the store where it has them."""
    generator.generate_missing(plan.always_generated)
    images = generate_block(generator, plan.neighbours)
    return NeighbourImages(original_images(generator, plan.gate), images.original, images.unlearned)


@dataclass(frozen=True)
class AttackImages:
    """The images of one set's attacks and the judge's answers.

    ``gate``: answers 0 or 1 on θ's gate images, (attacks, seeds). ``eligible``: indices of attacks that pass the gate. ``unlearned``:
    answers on θ*'s images, (eligible, seeds). The images of both models are (eligible × seeds), None if no attack is eligible.
    """

    gate: FloatArray
    eligible: tuple[int, ...]
    unlearned: FloatArray
    original_images: ImageGrid | None = None
    unlearned_images: ImageGrid | None = None


def generate_attacks(
    generator: ImageSource, judge: PresenceJudge, planner: ShardPlanner, rules: Probing, gate: Block, task: Task
) -> AttackImages:
    """Generate every attack with θ, and those that show the target also with θ* on other seeds."""
    gate_answers = target_presence(judge, original_images(generator, gate), task)
    eligible = tuple(int(index) for index in np.flatnonzero(majority_present(gate_answers)))
    if not eligible:
        return AttackImages(gate_answers, (), np.zeros((0, rules.attack_seeds)))
    block = attack_block(planner, rules, [gate.prompts[index] for index in eligible])
    generator.generate_missing(block.pairs)
    images = generate_block(generator, block)
    return AttackImages(gate_answers, eligible, target_presence(judge, images.unlearned, task), images.original, images.unlearned)


def original_images(generator: ImageSource, block: Block) -> ImageGrid:
    """θ's images of a block."""
    shards = original_shards(generator, block)
    for shard in shards:
        generator.image_cache.fetch(shard)
    return ImageGrid.from_shards(generator.image_cache, shards, "original", block.seeds)


def class_set(task: Task) -> dict[Head, tuple[Depicted, ...]]:
    """The classes of zero-shot CLIP by head: the target, the neighbours and the distractors of that head."""
    target = Depicted(concept=task.judge.label, head=task.judge.head, caption=task.caption or "")
    concepts: tuple[Depicted, ...] = (target, *task.neighbours, *task.distractors)
    heads: tuple[Head, ...] = ("subject", "style")
    by_head = {head: tuple(concept for concept in concepts if concept.head == head) for head in heads}
    return {head: members for head, members in by_head.items() if members}


def class_captions(task: Task) -> dict[Head, tuple[str, ...]]:
    """The captions of the classes, as in a record."""
    return {head: tuple(concept.caption for concept in members) for head, members in class_set(task).items()}


@dataclass(frozen=True)
class ClipAnswers:
    """CLIP's outputs on images of n neighbours, (n, prompts, seeds).

    ``similarity``: cosine with the neighbour's own caption, higher is closer. ``hits``: 1 if that caption is the closest of its head, else
    0. ``features``: image features (n, prompts, seeds, d).
    """

    similarity: FloatArray
    hits: FloatArray
    features: FloatArray


def read_clip(clip: Clip, images: ImageGrid, task: Task) -> ClipAnswers:
    """CLIP's outputs on images (n · prompts × seeds), ordered by neighbour."""
    features = clip.image_features(images).cpu().numpy().astype(float)
    features = features.reshape(len(task.neighbours), -1, images.seeds, features.shape[-1])
    similarity, hits = np.empty(features.shape[:3]), np.empty(features.shape[:3])
    for head, members in class_set(task).items():
        texts = clip.text_features([member.caption for member in members]).cpu().numpy().astype(float)
        concepts = [member.concept for member in members]
        for index, neighbour in enumerate(task.neighbours):
            if neighbour.head == head:
                label, cosines = concepts.index(neighbour.concept), cosine(features[index], texts)
                similarity[index], hits[index] = cosines[..., label], cosines.argmax(axis=-1) == label
    return ClipAnswers(similarity, hits, features)


def cosine(features: FloatArray, texts: FloatArray) -> FloatArray:
    """Cosine of features (…, d) and texts (m, d): (…, m)."""
    unit_features, unit_texts = (rows / np.linalg.norm(rows, axis=-1, keepdims=True) for rows in (features, texts))
    return np.asarray(unit_features @ unit_texts.T)


def caption_similarity(clip: Clip, task: Task) -> dict[str, float]:
    """Cosine of the target's and each neighbour's caption by CLIP's text encoder: the ranking of a model that knows only words."""
    captions = [task.caption or "", *(neighbour.caption for neighbour in task.neighbours)]
    texts = clip.text_features(captions).cpu().numpy().astype(float)
    cosines = cosine(texts[1:], texts[:1])[:, 0]
    return {neighbour.concept: round(float(value), 6) for neighbour, value in zip(task.neighbours, cosines, strict=True)}
