"""θ's own pictures for the concept judge, kept in the store like all others, and those of a destroyed θ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from torch import nn

from unconceal.diffusion.handover import run_original
from unconceal.diffusion.noise_weights import noise_for
from unconceal.evaluation.evaluation import Evaluation
from unconceal.generate.generator import Generator, Pixels, clean_name, count_forward_passes
from unconceal.generate.identity import image_seed
from unconceal.generate.plan import Block
from unconceal.judges.judge_prompts import JudgePrompts
from unconceal.judges.train_concept_judge import Drawn
from unconceal.probing.run_probes import shard_planner

NOISE_IMAGES = 32
"""Pictures of a destroyed model."""


def block_of(evaluation: Evaluation, asked: JudgePrompts) -> Block:
    """What is drawn of one concept; the prompts are no task's, and so neither are the seeds."""
    cut, start = shard_planner(evaluation, evaluation.suite.base.digest), evaluation.suite.seed_starts.train
    return cut.block("judge", asked.prompts, start, asked.seeds, (0.0, evaluation.suite.judge_training.clean_psi), ())


def forward_passes_for(evaluation: Evaluation, asked: Sequence[JudgePrompts]) -> int:
    """Denoiser rows of everything that is asked for."""
    return sum(count_forward_passes(shard) for one in asked for shard in block_of(evaluation, one).trajectories)


class JudgeImageGenerator:
    """Draws what is asked with the suite's base; the same pictures are found again in the store."""

    def __init__(self, evaluation: Evaluation, total: int) -> None:
        self.evaluation, self.base = evaluation, evaluation.original()
        stage = evaluation.progress.stage(f"{evaluation.suite.id}: drawing for the concept judge", total)
        self.worker = Generator(evaluation.store, self.base, self.base, stage.advance)

    def __call__(self, asked: JudgePrompts, split: str) -> Drawn:
        block = block_of(self.evaluation, asked)
        made = [self.worker.trajectory(shard) for shard in block.trajectories]
        k = block.k[self.evaluation.suite.judge_training.clean_psi]
        # At ψ = 0 θ has predicted nothing yet; the finished picture stands in for x̂0.
        names = ("original", clean_name(k) if k else "original")
        pixels, clean = (np.concatenate([arrays[name] for arrays in made]) for name in names)
        return Drawn(pixels, clean)

    def noise_images(self, prompts: Sequence[str]) -> Pixels:
        """Pictures of the base with its attention drowned in noise."""
        suite, chosen = self.evaluation.suite, [prompts[i % len(prompts)] for i in range(NOISE_IMAGES)]
        seeds = [image_seed(suite.seed_starts.train, text, number) for number, text in enumerate(chosen)]
        with noise_attention(self.base.denoiser, suite.judge_training.seed):
            run = run_original(self.base, chosen, seeds, (self.base.steps,), self.evaluation.batch_size)
        return self.base.decode(run.latents[self.base.steps].nan_to_num(0.0, 0.0, 0.0))


@contextmanager
def noise_attention(denoiser: nn.Module, seed: int) -> Iterator[None]:
    """While it lasts, noise stands in the place of every attention matrix."""
    noise = noise_for(denoiser, seed, lambda name, value: "attn" in name and value.ndim >= 2)
    before = {name: value.clone() for name, value in denoiser.state_dict().items() if name in noise}
    denoiser.load_state_dict(noise, strict=False)
    try:
        yield
    finally:
        denoiser.load_state_dict(before, strict=False)
