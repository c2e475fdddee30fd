"""Plan and worker of protocol ``paper``: λO and λU of literal seeds, and one λP per ψ, kept in the store like everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from unconceal.diffusion.pndm_restart import pndm_timesteps, run_from
from unconceal.diffusion.schedule import handover_steps
from unconceal.generate.generator import Generator, branch_name
from unconceal.generate.identity import ComputeConfig, ImageKey, Sampling, Shard
from unconceal.generate.store import Arrays
from unconceal.specs.paper_protocol import PaperProtocol
from unconceal.specs.suite import Suite

SOLVER = "pndm-restarted"


@dataclass(frozen=True)
class Prompted:
    """Everything of one prompt. ``whole``: pairs of shards that give λO and λU; ``moving``: the pair that gives λP(ψ); ``k``: ψ to step."""

    text: str
    whole: tuple[tuple[Shard, Shard], ...]
    moving: tuple[Shard, Shard]
    k: dict[float, int]

    @property
    def shards(self) -> Iterator[Shard]:
        for pair in (*self.whole, self.moving):
            yield from pair


def plan_prompt(suite: Suite, paper: PaperProtocol, text: str, checkpoint: str, layout: ComputeConfig) -> Prompted:
    """The shards of one prompt."""
    k = handover_steps(paper.psi, pndm_timesteps(paper.steps, suite.sampler.train_steps), suite.sampler.train_steps)
    sampling = Sampling(SOLVER, paper.steps, paper.guidance)

    def pair(seeds: Sequence[int], handovers: tuple[int, ...]) -> tuple[Shard, Shard]:
        pictures = tuple(ImageKey(text, seed) for seed in seeds)
        base = suite.base.digest
        ours = Shard(base, None, suite.family, sampling, handovers, (), pictures, layout)
        return ours, Shard(base, checkpoint, suite.family, sampling, handovers, ("prompt",), pictures, layout)

    groups = [range(i, min(i + layout.shard, paper.pictures)) for i in range(0, paper.pictures, layout.shard)]
    return Prompted(text, tuple(pair(group, (0,)) for group in groups), pair([paper.seed], tuple(sorted(set(k.values())))), k)


class RestartedGenerator(Generator):
    """Makes shards with the restarted solver. θ's shards hold ``original`` and ``latents.KKKK``; no clean predictions."""

    def _run_original(self, shard: Shard) -> Arrays:
        model = self.original
        x = model.noise([picture.seed for picture in shard.pictures])
        finished, kept = run_from(model, [picture.prompt for picture in shard.pictures], x, 0, shard.handovers, shard.layout.batch)
        self.evaluations += self._rows(shard, 0)
        arrays: Arrays = {f"latents.{k:04d}": kept[k].float().cpu().numpy() for k in shard.handovers}
        return arrays | {"original": model.decode(finished, shard.layout.batch)}

    def _hand_over(self, shard: Shard, trajectory: Arrays) -> Arrays:
        model, drawn = self.unlearned, {}
        for k in shard.handovers:
            x = torch.from_numpy(trajectory[f"latents.{k:04d}"]).to(model.device, model.dtype)
            finished, _ = run_from(model, [picture.prompt for picture in shard.pictures], x, k, (), shard.layout.batch)
            self.evaluations += self._rows(shard, k)
            drawn[branch_name("prompt", k)] = model.decode(finished, shard.layout.batch)
        return drawn

    @staticmethod
    def _rows(shard: Shard, k: int) -> int:
        return 2 * len(shard.pictures) * (shard.sampling.steps + 1 - k)
