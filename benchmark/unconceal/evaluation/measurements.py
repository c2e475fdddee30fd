"""Generates the images of a plan and applies every judge to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unconceal.generate.generator import OWN_DECODER, branch_name, clean_name
from unconceal.generate.identity import Shard
from unconceal.generate.image_cache import ImageCache, ImageGrid, LazyShard
from unconceal.generate.plan import Block, Plan, ShardPair
from unconceal.generate.store import Arrays
from unconceal.judges import extractors
from unconceal.judges.clip import Clip
from unconceal.judges.concept_judge import ConceptJudge, PresenceJudge
from unconceal.judges.finetune import Classifier
from unconceal.metrics import crs
from unconceal.metrics.ccs import ccs
from unconceal.metrics.kid import kid
from unconceal.metrics.statistics import FloatArray
from unconceal.specs.task import Task


class ImageSource(Protocol):
    """Where images come from: a generator, which generates missing ones, or the store alone."""

    image_cache: ImageCache
    forward_passes: int

    def trajectory(self, shard: Shard) -> Arrays: ...

    def handover(self, shard: Shard, trajectory: Shard) -> Arrays: ...

    def generate_missing(self, pairs: Iterable[ShardPair]) -> None: ...


@dataclass(frozen=True)
class BlockImages:
    """The images of a block, (prompts × seeds) each.

    ``original``: λO. ``branches[arm][psi]``: λP(ψ); at ψ = 0 in the prompt arm, λU. ``clean[psi]``, ψ > 0: x̂0(ψ). ``own_decoder``: λU
    decoded by θ*'s VAE, None where that is θ's.
    """

    original: ImageGrid
    branches: dict[str, dict[float, ImageGrid]]
    clean: dict[float, ImageGrid]
    own_decoder: ImageGrid | None = None

    @property
    def unlearned(self) -> ImageGrid:
        return self.branches["prompt"][0.0]


def generate_all(source: ImageSource, plan: Plan) -> dict[str, BlockImages]:
    """The images of every block by name."""
    source.generate_missing(plan.pairs)
    return {block.name: generate_block(source, block) for block in plan.blocks}


def generate_block(source: ImageSource, block: Block) -> BlockImages:
    """The images of one block."""
    trajectories = original_shards(source, block)
    pairs = zip(block.trajectories, block.handovers, strict=True)
    handovers = tuple(LazyShard(shard, partial(source.handover, shard, trajectory)) for trajectory, shard in pairs)
    names: set[str] = set()
    for trajectory, handover in zip(trajectories, handovers, strict=True):
        source.image_cache.fetch(trajectory)
        names |= source.image_cache.fetch(handover).keys()

    def grid(shards: tuple[LazyShard, ...], name: str) -> ImageGrid:
        return ImageGrid.from_shards(source.image_cache, shards, name, block.seeds)

    arms = block.handovers[0].arms
    branches = {arm: {psi: grid(handovers, branch_name(arm, k)) for psi, k in block.k.items()} for arm in arms}
    clean = {psi: grid(trajectories, clean_name(k)) for psi, k in block.k.items() if k}
    own_decoder = grid(handovers, OWN_DECODER) if OWN_DECODER in names else None
    return BlockImages(grid(trajectories, "original"), branches, clean, own_decoder)


def original_shards(source: ImageSource, block: Block) -> tuple[LazyShard, ...]:
    """θ's shards of a block."""
    return tuple(LazyShard(shard, partial(source.trajectory, shard)) for shard in block.trajectories)


def split_seeds(images: BlockImages) -> tuple[BlockImages, BlockImages]:
    """The same prompts with the first half of the seeds, and with the second half."""

    def part(seeds: slice) -> BlockImages:
        branches = {arm: {psi: grid.with_seeds(seeds) for psi, grid in by_psi.items()} for arm, by_psi in images.branches.items()}
        clean = {psi: grid.with_seeds(seeds) for psi, grid in images.clean.items()}
        return BlockImages(images.original.with_seeds(seeds), branches, clean)

    half = (images.original.seeds + 1) // 2
    return part(slice(half)), part(slice(half, None))


def presence(judge: PresenceJudge, images: BlockImages, task: Task) -> dict[str, FloatArray]:
    """Whether the judge sees the task's concept; at ψ = 0 under a prompt, by either decoder.

    Returns:
        Per arm (prompts, seeds, ψ) of 0 and 1.
    """
    answers = {
        arm: np.stack([target_presence(judge, grid, task) for grid in by_psi.values()], axis=-1) for arm, by_psi in images.branches.items()
    }
    if images.own_decoder is not None:
        first = answers["prompt"][..., 0]
        np.maximum(first, target_presence(judge, images.own_decoder, task), out=first)
    return answers


def target_presence(judge: PresenceJudge, grid: ImageGrid, task: Task) -> FloatArray:
    """Whether the judge sees the task's concept: (prompts, seeds) of 0 and 1."""
    answers = np.concatenate([judge.shows(pixels, task.judge.head, task.judge.label) for pixels in grid.batches()])
    return answers.reshape(grid.prompts, grid.seeds).astype(float)


def retained_presence(judge: ConceptJudge, images: BlockImages, task: Task) -> dict[str, FloatArray]:
    """Whether the judge sees each retain prompt's own concept: per arm (retain prompts, seeds, ψ) of 0 and 1."""
    concepts = [(prompt.head or "subject", prompt.concept or "") for prompt in task.retain[: images.original.prompts]]
    for head, concept in concepts:
        judge.check_label(head, concept)

    def visible(grid: ImageGrid) -> FloatArray:
        batches = [judge.labels(pixels) for pixels in grid.batches()]
        by_head = {head: np.concatenate([labels[head] for labels in batches]).reshape(grid.prompts, grid.seeds) for head in batches[0]}
        return np.stack([by_head[head][row] == concept for row, (head, concept) in enumerate(concepts)]).astype(float)

    return {arm: np.stack([visible(grid) for grid in by_psi.values()], axis=-1) for arm, by_psi in images.branches.items()}


@dataclass(frozen=True)
class ClassifierScores:
    """The outputs of one (submission, extractor) classifier on one split.

    ``s_o``, ``s_u``, ``ccs``: (prompts, seeds, ψ). ``auc_scores`` and ``auc_labels``: held-out images' logit differences.
    ``r_o``, ``r_u``: R of held-out λO and λU, means per prompt (p,).
    """

    s_o: FloatArray
    s_u: FloatArray
    ccs: FloatArray
    auc_scores: FloatArray
    auc_labels: FloatArray
    r_o: FloatArray
    r_u: FloatArray


def classifier_scores(classifier: Classifier, reference: BlockImages, held_out: BlockImages, evaluated: BlockImages) -> ClassifierScores:
    """The arrays behind CRS, CCS and AUC of one split, prompt arm.

    φ(λO_i) and φ(λU_i) come from ``reference``, the images of R_O, R_U and AUC from ``held_out``; all have the same prompts.
    """
    reference_o, reference_u = (per_prompt_features(classifier, grid) for grid in (reference.original, reference.unlearned))

    def outputs(grid: ImageGrid) -> tuple[FloatArray, FloatArray, FloatArray]:
        reading = classifier.predict(grid)
        phi = reading.features.reshape(grid.prompts, grid.seeds, -1)
        s_o = np.stack([crs.mean_dissimilarity(x, y) for x, y in zip(phi, reference_o, strict=True)])
        s_u = np.stack([crs.mean_dissimilarity(x, y) for x, y in zip(phi, reference_u, strict=True)])
        return s_o, s_u, reading.logits.reshape(grid.prompts, grid.seeds, 2).astype(float)

    over_psi = [outputs(grid) for grid in evaluated.branches["prompt"].values()]
    o, u = outputs(held_out.original), outputs(held_out.unlearned)
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


def per_prompt_features(classifier: Classifier, grid: ImageGrid) -> NDArray[np.float32]:
    """φ of every image, (prompts, seeds, d)."""
    return classifier.features(grid).reshape(grid.prompts, grid.seeds, -1)


def kid_curves(extractor: extractors.Extractor, evaluated: BlockImages, train: BlockImages) -> dict[str, list[float | None]]:
    """KID(λP(ψ) → λO) and KID(λP(ψ) → λU) per ψ; λO and λU are the train block's, so no seeds are shared. Lower is closer."""
    references = {
        "kid.original": extractors.pooled_features(extractor, train.original),
        "kid.unlearned": extractors.pooled_features(extractor, train.unlearned),
    }
    handovers = [extractors.pooled_features(extractor, grid) for grid in evaluated.branches["prompt"].values()]

    def curve(reference: NDArray[np.float32]) -> list[float | None]:
        estimates = [kid(features, reference) for features in handovers]
        return [None if estimate is None else estimate.mean for estimate in estimates]

    return {name: curve(reference) for name, reference in references.items()}


def clip_curve(clip: Clip, evaluated: BlockImages, prompts: Sequence[str]) -> FloatArray:
    """CLIP score (prompts, ψ) of λP(ψ) against its prompt; higher is better."""
    grids = evaluated.branches["prompt"].values()
    return np.stack([clip.clip_score_per_prompt(grid.by_prompt(), prompts) for grid in grids], axis=-1)
