"""Generates a plan's pictures and has every judge look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unconceal.generate.plan import Block, Plan
from unconceal.generate.worker import Pixels, Worker, branch_name, clean_name
from unconceal.judges import extractors
from unconceal.judges.clip import Clip
from unconceal.judges.concept import ConceptJudge, Judge
from unconceal.judges.finetune import Classifier
from unconceal.metrics import crs
from unconceal.metrics.ccs import ccs
from unconceal.metrics.kid import kid
from unconceal.specs.task import Task

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Pictures:
    """A block's pictures, uint8 (prompts, seeds, h, w, 3) each.

    ``original``: λO. ``branches[arm][psi]``: λP(ψ); at ψ = 0 in the prompt arm, λU. ``clean[psi]``, ψ > 0: x̂0(ψ).
    """

    original: Pixels
    branches: dict[str, dict[float, Pixels]]
    clean: dict[float, Pixels]

    @property
    def unlearned(self) -> Pixels:
        return self.branches["prompt"][0.0]


def generate(worker: Worker, block: Block) -> Pictures:
    """Every picture of a block, from the store where it has them."""
    made = [
        (worker.trajectory(ours), worker.handover(theirs, ours)) for ours, theirs in zip(block.trajectories, block.handovers, strict=True)
    ]

    def joined(parts: Sequence[Pixels]) -> Pixels:
        pixels = np.concatenate(parts)
        return pixels.reshape(len(block.prompts), block.seeds, *pixels.shape[1:])

    arms = block.handovers[0].arms
    branches = {arm: {psi: joined([theirs[branch_name(arm, k)] for _, theirs in made]) for psi, k in block.k.items()} for arm in arms}
    clean = {psi: joined([ours[clean_name(k)] for ours, _ in made]) for psi, k in block.k.items() if k}
    return Pictures(joined([ours["original"] for ours, _ in made]), branches, clean)


def by_seed(pictures: Pictures) -> tuple[Pictures, Pictures]:
    """The same prompts with the first half of the seeds, and with the rest."""

    def part(seeds: slice) -> Pictures:
        branches = {arm: {psi: pixels[:, seeds] for psi, pixels in by_psi.items()} for arm, by_psi in pictures.branches.items()}
        return Pictures(pictures.original[:, seeds], branches, {psi: pixels[:, seeds] for psi, pixels in pictures.clean.items()})

    half = (pictures.original.shape[1] + 1) // 2
    return part(slice(half)), part(slice(half, None))


def generate_all(worker: Worker, plan: Plan) -> dict[str, Pictures]:
    """The pictures of every block, by its name."""
    return {block.name: generate(worker, block) for block in plan.blocks}


def flat(pixels: Pixels) -> Pixels:
    """(prompts, seeds, h, w, 3) to (n, h, w, 3)."""
    return pixels.reshape(-1, *pixels.shape[2:])


def presence(judge: Judge, pictures: Pictures, task: Task) -> dict[str, Values]:
    """Per arm (prompts, seeds, ψ) of 0 and 1: whether the judge sees the task's concept."""
    head, label = task.judge.head, task.judge.label

    def seen(pixels: Pixels) -> Values:
        return judge.shows(flat(pixels), head, label).reshape(pixels.shape[:2]).astype(float)

    return {arm: np.stack([seen(pixels) for pixels in by_psi.values()], axis=-1) for arm, by_psi in pictures.branches.items()}


def retained(judge: ConceptJudge, pictures: Pictures, task: Task) -> Values:
    """(retain prompts, seeds, ψ) of 0 and 1: whether each retain prompt's own concept is seen."""

    def seen(pixels: Pixels) -> Values:
        rows = zip(pixels, task.retain, strict=False)
        return np.stack([judge.shows(row, prompt.head or "subject", prompt.concept or "").astype(float) for row, prompt in rows])

    return np.stack([seen(pixels) for pixels in pictures.branches["prompt"].values()], axis=-1)


@dataclass(frozen=True)
class ClassifierScores:
    """What one (submission, extractor) classifier says of one split.

    ``s_o``, ``s_u``, ``ccs``: (prompts, seeds, ψ). ``auc_scores`` and ``auc_labels``: held-out pictures' logit differences.
    ``r_o``, ``r_u``: R of held-out λO and λU, means per prompt (p,).
    """

    s_o: Values
    s_u: Values
    ccs: Values
    auc_scores: Values
    auc_labels: Values
    r_o: Values
    r_u: Values


def classifier_scores(classifier: Classifier, yardstick: Pictures, held_out: Pictures, evaluated: Pictures) -> ClassifierScores:
    """CRS and CCS material of one split, prompt arm.

    φ(λO_i) and φ(λU_i) come from ``yardstick``, held-out pictures (R_O, R_U, AUC) from ``held_out``; all have the same prompts.
    """
    near_o, near_u = (per_prompt_features(classifier, pixels) for pixels in (yardstick.original, yardstick.unlearned))

    def pulls(pixels: Pixels) -> tuple[Values, Values, Values]:
        reading = classifier.read(flat(pixels))
        phi = reading.features.reshape(*pixels.shape[:2], -1)
        s_o = np.stack([crs.affinity(x, reference) for x, reference in zip(phi, near_o, strict=True)])
        s_u = np.stack([crs.affinity(x, reference) for x, reference in zip(phi, near_u, strict=True)])
        return s_o, s_u, reading.logits.reshape(*pixels.shape[:2], 2).astype(float)

    over_psi = [pulls(pixels) for pixels in evaluated.branches["prompt"].values()]
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


def per_prompt_features(classifier: Classifier, pixels: Pixels) -> NDArray[np.float32]:
    """φ of (prompts, seeds, …) pictures, (prompts, seeds, d)."""
    return classifier.features(flat(pixels)).reshape(*pixels.shape[:2], -1)


def kid_curves(extractor: extractors.Extractor, evaluated: Pictures, train: Pictures) -> dict[str, list[float | None]]:
    """KID(λP(ψ) → λO) and KID(λP(ψ) → λU) per ψ; λO and λU are the train block's, so no seeds are shared. Lower is nearer."""
    ends = {
        "kid.original": extractors.pooled(extractor, flat(train.original)),
        "kid.unlearned": extractors.pooled(extractor, flat(train.unlearned)),
    }
    moving = [extractors.pooled(extractor, flat(pixels)) for pixels in evaluated.branches["prompt"].values()]

    def curve(reference: NDArray[np.float32]) -> list[float | None]:
        found = [kid(features, reference) for features in moving]
        return [None if one is None else one.mean for one in found]

    return {name: curve(reference) for name, reference in ends.items()}


def clip_curve(clip: Clip, evaluated: Pictures, prompts: Sequence[str]) -> Values:
    """CLIP score (prompts, ψ) of λP(ψ) against its prompt; higher fits better."""
    return np.stack([clip.clip_score_per_prompt(pixels, prompts) for pixels in evaluated.branches["prompt"].values()], axis=-1)
