"""Draws a task's neighbours and attacks with θ and θ*, and has CLIP and the concept judge look at them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unconceal.evaluation.measurements import Source, generate, own_cells, target_seen
from unconceal.generate.image_cache import ImageGrid
from unconceal.generate.plan import Block, ProbePlan, ShardPlanner, attack_block
from unconceal.judges.clip import Clip
from unconceal.judges.concept_judge import Judge
from unconceal.metrics.attack import majority_present
from unconceal.metrics.statistics import FloatArray
from unconceal.specs.suite import Probing
from unconceal.specs.task import Depicted, Head, Task


@dataclass(frozen=True)
class NeighbourImages:
    """Pictures, (prompts × seeds) each, prompts neighbour by neighbour: the gate, and both models on other seeds."""

    gate: ImageGrid
    original: ImageGrid
    unlearned: ImageGrid


def generate_neighbours(worker: Source, plan: ProbePlan) -> NeighbourImages:
    """Every picture of the neighbours, from the store where it has them."""
    worker.generate_missing(plan.always_generated)
    drawn = generate(worker, plan.neighbours)
    return NeighbourImages(original_images(worker, plan.gate), drawn.original, drawn.unlearned)


@dataclass(frozen=True)
class AttackImages:
    """What one set's attacks brought up: the concept judge's answers (attacks, seeds) of 0 and 1 on θ's gate pictures, and for the
    eligible ones, whose places are ``eligible``, on θ*'s; and the pictures (eligible × seeds) of both, None where none is eligible."""

    gate: FloatArray
    eligible: tuple[int, ...]
    unlearned: FloatArray
    original_images: ImageGrid | None = None
    unlearned_images: ImageGrid | None = None


def generate_attacks(worker: Source, judge: Judge, cut: ShardPlanner, rules: Probing, gate: Block, task: Task) -> AttackImages:
    """Has θ draw every attack, and both models those that θ answers with the target."""
    by_original = target_seen(judge, original_images(worker, gate), task)
    eligible = tuple(int(place) for place in np.flatnonzero(majority_present(by_original)))
    if not eligible:
        return AttackImages(by_original, (), np.zeros((0, rules.attack_seeds)))
    block = attack_block(cut, rules, [gate.prompts[place] for place in eligible])
    worker.generate_missing(block.pairs)
    drawn = generate(worker, block)
    return AttackImages(by_original, eligible, target_seen(judge, drawn.unlearned, task), drawn.original, drawn.unlearned)


def original_images(worker: Source, block: Block) -> ImageGrid:
    """θ's own pictures of a block."""
    cells = own_cells(worker, block)
    for cell in cells:
        worker.image_cache.fetch(cell)
    return ImageGrid.from_shards(worker.image_cache, cells, "original", block.seeds)


def class_set(task: Task) -> dict[Head, tuple[Depicted, ...]]:
    """What zero-shot CLIP chooses between, by head: the target, the neighbours and the distractors of that head."""
    target = Depicted(concept=task.judge.label, head=task.judge.head, caption=task.caption or "")
    every: tuple[Depicted, ...] = (target, *task.neighbours, *task.distractors)
    heads: tuple[Head, ...] = ("subject", "style")
    found = {head: tuple(one for one in every if one.head == head) for head in heads}
    return {head: members for head, members in found.items() if members}


@dataclass(frozen=True)
class ClipAnswers:
    """What CLIP says of neighbours' pictures (n neighbours, p prompts, s seeds): cosine with the neighbour's own caption, whether that
    caption is the nearest of its head (0 or 1), and CLIP's features (…, d)."""

    similarity: FloatArray
    hits: FloatArray
    features: FloatArray


def read_clip(clip: Clip, pictures: ImageGrid, task: Task) -> ClipAnswers:
    """CLIP on pictures (n · p prompts × s seeds), neighbour by neighbour."""
    features = clip.image_features(pictures).cpu().numpy().astype(float)
    features = features.reshape(len(task.neighbours), -1, pictures.seeds, features.shape[-1])
    similarity, hits = np.empty(features.shape[:3]), np.empty(features.shape[:3])
    for head, members in class_set(task).items():
        texts, named = clip.text_features([one.caption for one in members]).cpu().numpy().astype(float), [one.concept for one in members]
        for place, neighbour in enumerate(task.neighbours):
            if neighbour.head == head:
                own, found = named.index(neighbour.concept), cosine(features[place], texts)
                similarity[place], hits[place] = found[..., own], found.argmax(axis=-1) == own
    return ClipAnswers(similarity, hits, features)


def cosine(features: FloatArray, texts: FloatArray) -> FloatArray:
    """Cosine of features (…, d) and texts (m, d): (…, m)."""
    one, other = (rows / np.linalg.norm(rows, axis=-1, keepdims=True) for rows in (features, texts))
    return np.asarray(one @ other.T)


def caption_similarity(clip: Clip, task: Task) -> dict[str, float]:
    """CLIP's cosine of the target's caption and each neighbour's: what an orderer that only knows words would say."""
    captions = [task.caption or "", *(neighbour.caption for neighbour in task.neighbours)]
    texts = clip.text_features(captions).cpu().numpy().astype(float)
    found = cosine(texts[1:], texts[:1])[:, 0]
    return {neighbour.concept: round(float(value), 6) for neighbour, value in zip(task.neighbours, found, strict=True)}


def class_captions(task: Task) -> dict[Head, tuple[str, ...]]:
    """The class set as a record holds it."""
    return {head: tuple(one.caption for one in members) for head, members in class_set(task).items()}
