"""θ's own pictures for the concept judge, kept in the store like all others, and those of a destroyed θ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.handover import run_original
from unconceal.diffusion.model import Model
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.probe_run import cutter
from unconceal.generate.identity import image_seed
from unconceal.generate.plan import Block
from unconceal.generate.worker import Pixels, Worker, clean_name, rows_of
from unconceal.judges.asking import Asked
from unconceal.judges.making import Drawn

WRECKED, DEVIATIONS = 32, 6.0
"""Pictures of a destroyed model, and how many times wider than its weights the noise is that takes the place of its attention."""


def block_of(evaluation: Evaluation, asked: Asked) -> Block:
    """What is drawn of one concept; the prompts are no task's, and so neither are the seeds."""
    cut, start = cutter(evaluation, evaluation.suite.base.digest), evaluation.suite.seed_starts.train
    return cut.block("judge", asked.prompts, start, asked.seeds, (0.0, evaluation.suite.judging.clean_psi), ())


def rows_for(evaluation: Evaluation, asked: Sequence[Asked]) -> int:
    """Denoiser rows of everything that is asked for."""
    return sum(rows_of(shard) for one in asked for shard in block_of(evaluation, one).trajectories)


class Painter:
    """Draws what is asked with the suite's base; the same pictures are found again in the store."""

    def __init__(self, evaluation: Evaluation, total: int) -> None:
        self.evaluation, suite = evaluation, evaluation.suite
        self.base: Model = FAMILIES[suite.family].load(evaluation.instruments.base, suite.sampler, stage=evaluation.instruments.stage)
        stage = evaluation.progress.stage(f"{suite.id}: drawing for the concept judge", total)
        self.worker = Worker(evaluation.store, self.base, self.base, stage.advance)

    def __call__(self, asked: Asked, split: str) -> Drawn:
        block = block_of(self.evaluation, asked)
        made = [self.worker.trajectory(shard) for shard in block.trajectories]
        k = block.k[self.evaluation.suite.judging.clean_psi]
        # At ψ = 0 θ has predicted nothing yet; the finished picture stands in for x̂0.
        names = ("original", clean_name(k) if k else "original")
        pixels, clean = (np.concatenate([arrays[name] for arrays in made]) for name in names)
        return Drawn(pixels, clean)

    def wrecked(self, prompts: Sequence[str]) -> Pixels:
        """Pictures of the base with its attention drowned in noise."""
        suite, chosen = self.evaluation.suite, [prompts[i % len(prompts)] for i in range(WRECKED)]
        seeds = [image_seed(suite.seed_starts.train, text, number) for number, text in enumerate(chosen)]
        with drowned(self.base.denoiser, suite.judging.seed):
            run = run_original(self.base, chosen, seeds, (self.base.steps,), self.evaluation.batch)
        return self.base.decode(run.latents[self.base.steps].nan_to_num(0.0, 0.0, 0.0))


@contextmanager
def drowned(denoiser: Any, seed: int) -> Iterator[None]:
    """While it lasts, every attention matrix is noise of its mean, ``DEVIATIONS`` times as wide."""
    draws = torch.Generator().manual_seed(seed)
    matrices = {name: value for name, value in denoiser.named_parameters() if "attn" in name and value.ndim >= 2}
    before = {name: value.detach().clone() for name, value in matrices.items()}
    with torch.no_grad():
        for value in matrices.values():
            noise = torch.randn(value.shape, generator=draws)
            value.copy_(value.float().mean().cpu() + DEVIATIONS * value.float().std(correction=0).cpu() * noise)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, value in matrices.items():
                value.copy_(before[name])
