"""Generates a plan's pictures and has every judge look at them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unconceal.generate.generator import branch_name, clean_name
from unconceal.generate.identity import Shard
from unconceal.generate.image_cache import ImageCache, ImageGrid, LazyShard
from unconceal.generate.plan import Block, Plan, ShardPair
from unconceal.generate.store import Arrays
from unconceal.judges import extractors
from unconceal.judges.clip import Clip
from unconceal.judges.concept_judge import ConceptJudge, Judge
from unconceal.judges.finetune import Classifier
from unconceal.metrics import crs
from unconceal.metrics.ccs import ccs
from unconceal.metrics.kid import kid
from unconceal.metrics.statistics import FloatArray
from unconceal.specs.task import Task


class Source(Protocol):
    """Where pictures come from: a worker, which makes what is missing, or the store alone."""

    image_cache: ImageCache
    forward_passes: int

    def trajectory(self, shard: Shard) -> Arrays: ...

    def handover(self, shard: Shard, trajectory: Shard) -> Arrays: ...

    def generate_missing(self, pairs: Iterable[ShardPair]) -> None: ...


@dataclass(frozen=True)
class BlockImages:
    """A block's pictures, (prompts × seeds) each.

    ``original``: λO. ``branches[arm][psi]``: λP(ψ); at ψ = 0 in the prompt arm, λU. ``clean[psi]``, ψ > 0: x̂0(ψ).
    """

    original: ImageGrid
    branches: dict[str, dict[float, ImageGrid]]
    clean: dict[float, ImageGrid]

    @property
    def unlearned(self) -> ImageGrid:
        return self.branches["prompt"][0.0]


def generate(source: Source, block: Block) -> BlockImages:
    """Every picture of a block, from the store where it has them."""
    ours = own_cells(source, block)
    pairs = zip(block.trajectories, block.handovers, strict=True)
    theirs = tuple(LazyShard(shard, partial(source.handover, shard, begun)) for begun, shard in pairs)
    for one, other in zip(ours, theirs, strict=True):
        source.image_cache.fetch(one)
        source.image_cache.fetch(other)

    def seen(cells: tuple[LazyShard, ...], name: str) -> ImageGrid:
        return ImageGrid.from_shards(source.image_cache, cells, name, block.seeds)

    arms = block.handovers[0].arms
    branches = {arm: {psi: seen(theirs, branch_name(arm, k)) for psi, k in block.k.items()} for arm in arms}
    return BlockImages(seen(ours, "original"), branches, {psi: seen(ours, clean_name(k)) for psi, k in block.k.items() if k})


def own_cells(source: Source, block: Block) -> tuple[LazyShard, ...]:
    """θ's cells of a block."""
    return tuple(LazyShard(shard, partial(source.trajectory, shard)) for shard in block.trajectories)


def by_seed(pictures: BlockImages) -> tuple[BlockImages, BlockImages]:
    """The same prompts with the first half of the seeds, and with the rest."""

    def part(seeds: slice) -> BlockImages:
        branches = {arm: {psi: gallery.with_seeds(seeds) for psi, gallery in by_psi.items()} for arm, by_psi in pictures.branches.items()}
        clean = {psi: gallery.with_seeds(seeds) for psi, gallery in pictures.clean.items()}
        return BlockImages(pictures.original.with_seeds(seeds), branches, clean)

    half = (pictures.original.seeds + 1) // 2
    return part(slice(half)), part(slice(half, None))


def generate_all(source: Source, plan: Plan) -> dict[str, BlockImages]:
    """The pictures of every block, by its name."""
    source.generate_missing(plan.pairs)
    return {block.name: generate(source, block) for block in plan.blocks}


def presence(judge: Judge, pictures: BlockImages, task: Task) -> dict[str, FloatArray]:
    """Per arm (prompts, seeds, ψ) of 0 and 1: whether the judge sees the task's concept."""
    return {
        arm: np.stack([target_seen(judge, gallery, task) for gallery in by_psi.values()], axis=-1)
        for arm, by_psi in pictures.branches.items()
    }


def target_seen(judge: Judge, gallery: ImageGrid, task: Task) -> FloatArray:
    """(prompts, seeds) of 0 and 1: whether the judge sees the task's concept."""
    answers = np.concatenate([judge.shows(pixels, task.judge.head, task.judge.label) for pixels in gallery.batches()])
    return answers.reshape(gallery.prompts, gallery.seeds).astype(float)


def retained(judge: ConceptJudge, pictures: BlockImages, task: Task) -> FloatArray:
    """(retain prompts, seeds, ψ) of 0 and 1: whether each retain prompt's own concept is seen."""

    asked = [(prompt.head or "subject", prompt.concept or "") for prompt in task.retain[: pictures.original.prompts]]
    for head, concept in asked:
        judge.check(head, concept)

    def seen(gallery: ImageGrid) -> FloatArray:
        said = [judge.labels(pixels) for pixels in gallery.batches()]
        by_head = {head: np.concatenate([part[head] for part in said]).reshape(gallery.prompts, gallery.seeds) for head in said[0]}
        return np.stack([by_head[head][place] == concept for place, (head, concept) in enumerate(asked)]).astype(float)

    return np.stack([seen(gallery) for gallery in pictures.branches["prompt"].values()], axis=-1)


@dataclass(frozen=True)
class ClassifierScores:
    """What one (submission, extractor) classifier says of one split.

    ``s_o``, ``s_u``, ``ccs``: (prompts, seeds, ψ). ``auc_scores`` and ``auc_labels``: held-out pictures' logit differences.
    ``r_o``, ``r_u``: R of held-out λO and λU, means per prompt (p,).
    """

    s_o: FloatArray
    s_u: FloatArray
    ccs: FloatArray
    auc_scores: FloatArray
    auc_labels: FloatArray
    r_o: FloatArray
    r_u: FloatArray


def classifier_scores(classifier: Classifier, yardstick: BlockImages, held_out: BlockImages, evaluated: BlockImages) -> ClassifierScores:
    """CRS and CCS material of one split, prompt arm.

    φ(λO_i) and φ(λU_i) come from ``yardstick``, held-out pictures (R_O, R_U, AUC) from ``held_out``; all have the same prompts.
    """
    near_o, near_u = (per_prompt_features(classifier, gallery) for gallery in (yardstick.original, yardstick.unlearned))

    def pulls(gallery: ImageGrid) -> tuple[FloatArray, FloatArray, FloatArray]:
        reading = classifier.read(gallery)
        phi = reading.features.reshape(gallery.prompts, gallery.seeds, -1)
        s_o = np.stack([crs.mean_dissimilarity(x, reference) for x, reference in zip(phi, near_o, strict=True)])
        s_u = np.stack([crs.mean_dissimilarity(x, reference) for x, reference in zip(phi, near_u, strict=True)])
        return s_o, s_u, reading.logits.reshape(gallery.prompts, gallery.seeds, 2).astype(float)

    over_psi = [pulls(gallery) for gallery in evaluated.branches["prompt"].values()]
    o, u = pulls(held_out.original), pulls(held_out.unlearned)
    margins = [(part[2][..., 1] - part[2][..., 0]).ravel() for part in (o, u)]
    return ClassifierScores(
        s_o=np.stack([part[0] for part in over_psi], axis=-1),
        s_u=np.stack([part[1] for part in over_psi], axis=-1),
        ccs=np.stack([ccs(part[2]) for part in over_psi], axis=-1),
        auc_scores=np.concatenate(margins),
        auc_labels=np.concatenate([np.ones(len(margins[0])), np.zeros(len(margins[1]))]),
        r_o=crs.signed(o[1], o[0]).mean(axis=1),
        r_u=crs.signed(u[1], u[0]).mean(axis=1),
    )


def per_prompt_features(classifier: Classifier, gallery: ImageGrid) -> NDArray[np.float32]:
    """φ of every picture, (prompts, seeds, d)."""
    return classifier.features(gallery).reshape(gallery.prompts, gallery.seeds, -1)


def kid_curves(extractor: extractors.Extractor, evaluated: BlockImages, train: BlockImages) -> dict[str, list[float | None]]:
    """KID(λP(ψ) → λO) and KID(λP(ψ) → λU) per ψ; λO and λU are the train block's, so no seeds are shared. Lower is nearer."""
    ends = {
        "kid.original": extractors.pooled(extractor, train.original),
        "kid.unlearned": extractors.pooled(extractor, train.unlearned),
    }
    moving = [extractors.pooled(extractor, gallery) for gallery in evaluated.branches["prompt"].values()]

    def curve(reference: NDArray[np.float32]) -> list[float | None]:
        found = [kid(features, reference) for features in moving]
        return [None if one is None else one.mean for one in found]

    return {name: curve(reference) for name, reference in ends.items()}


def clip_curve(clip: Clip, evaluated: BlockImages, prompts: Sequence[str]) -> FloatArray:
    """CLIP score (prompts, ψ) of λP(ψ) against its prompt; higher fits better."""
    moving = evaluated.branches["prompt"].values()
    return np.stack([clip.clip_score_per_prompt(gallery.by_prompt(), prompts) for gallery in moving], axis=-1)
