"""θ's images for training the concept judge, kept in the store like all others, and images of a destroyed θ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from torch import nn

from unconceal.diffusion.handover import run_original
from unconceal.diffusion.noise_weights import noise_weights
from unconceal.evaluation.evaluation import Evaluation
from unconceal.generate.generator import Generator, Pixels, clean_name, count_forward_passes
from unconceal.generate.identity import image_seed
from unconceal.generate.plan import Block
from unconceal.judges.judge_prompts import JudgePrompts
from unconceal.judges.train_concept_judge import JudgeImages
from unconceal.probing.run_probes import shard_planner

NOISE_IMAGES = 32
"""Number of images of a destroyed model."""


def plan_block(evaluation: Evaluation, concept: JudgePrompts) -> Block:
    """The images of one concept; neither prompts nor seeds are those of a task."""
    planner, start = shard_planner(evaluation, evaluation.suite.base.digest), evaluation.suite.seed_starts.train
    return planner.block("judge", concept.prompts, start, concept.seeds, (0.0, evaluation.suite.judge_training.clean_psi), ())


def forward_passes_for(evaluation: Evaluation, concepts: Sequence[JudgePrompts]) -> int:
    """Forward passes that the images of all concepts take."""
    return sum(count_forward_passes(shard) for concept in concepts for shard in plan_block(evaluation, concept).trajectories)


class JudgeImageGenerator:
    """Generates images with the suite's base model; images that are in the store are reused."""

    def __init__(self, evaluation: Evaluation, total: int) -> None:
        self.evaluation, self.base = evaluation, evaluation.original()
        stage = evaluation.progress.stage(f"{evaluation.suite.id}: images for the concept judge", total)
        self.generator = Generator(evaluation.store, self.base, self.base, stage.advance)

    def __call__(self, concept: JudgePrompts, split: str) -> JudgeImages:
        block = plan_block(self.evaluation, concept)
        shards = [self.generator.trajectory(shard) for shard in block.trajectories]
        k = block.k[self.evaluation.suite.judge_training.clean_psi]
        # At ψ = 0 θ has predicted nothing yet: the finished image replaces x̂0.
        names = ("original", clean_name(k) if k else "original")
        pixels, clean = (np.concatenate([arrays[name] for arrays in shards]) for name in names)
        return JudgeImages(pixels, clean)

    def noise_images(self, prompts: Sequence[str]) -> Pixels:
        """Images of the base with noise in place of its attention weights, uint8 (n, h, w, 3)."""
        suite, texts = self.evaluation.suite, [prompts[i % len(prompts)] for i in range(NOISE_IMAGES)]
        seeds = [image_seed(suite.seed_starts.train, text, index) for index, text in enumerate(texts)]
        with noise_attention(self.base.denoiser, suite.judge_training.seed):
            run = run_original(self.base, texts, seeds, (self.base.steps,), self.evaluation.batch_size)
        return self.base.decode(run.latents[self.base.steps].nan_to_num(0.0, 0.0, 0.0))


@contextmanager
def noise_attention(denoiser: nn.Module, seed: int) -> Iterator[None]:
    """Replace every attention matrix by noise within the context."""
    noise = noise_weights(denoiser, seed, lambda name, value: "attn" in name and value.ndim >= 2)
    before = {name: value.clone() for name, value in denoiser.state_dict().items() if name in noise}
    denoiser.load_state_dict(noise, strict=False)
    try:
        yield
    finally:
        denoiser.load_state_dict(before, strict=False)
