"""Plan and generator of protocol ``paper``: λO and λU with literal seeds, and one λP per ψ; stored like all other images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from unconceal.diffusion.pndm_restart import pndm_timesteps, run_pndm_from
from unconceal.diffusion.schedule import handover_steps
from unconceal.generate.generator import Generator, branch_name
from unconceal.generate.identity import RESTARTED_PNDM, ComputeConfig, ImageKey, Sampling, Shard
from unconceal.generate.store import Arrays
from unconceal.specs.paper_protocol import PaperProtocol
from unconceal.specs.suite import Suite


@dataclass(frozen=True)
class PromptPlan:
    """The shards of one prompt. ``full_runs``: pairs that give λO and λU; ``handover_run``: the pair that gives λP; ``k``: ψ to step."""

    text: str
    full_runs: tuple[tuple[Shard, Shard], ...]
    handover_run: tuple[Shard, Shard]
    k: dict[float, int]

    @property
    def shards(self) -> Iterator[Shard]:
        for pair in (*self.full_runs, self.handover_run):
            yield from pair


def plan_prompt(suite: Suite, paper: PaperProtocol, text: str, checkpoint: str, compute: ComputeConfig) -> PromptPlan:
    """The shards of one prompt."""
    k = handover_steps(
        paper.psi, pndm_timesteps(paper.num_inference_steps, suite.sampler.num_train_timesteps), suite.sampler.num_train_timesteps
    )
    sampling = Sampling(RESTARTED_PNDM, paper.num_inference_steps, paper.guidance_scale)

    def pair(seeds: Sequence[int], handovers: tuple[int, ...]) -> tuple[Shard, Shard]:
        images = tuple(ImageKey(text, seed) for seed in seeds)
        base = suite.base.digest
        trajectory = Shard(base, None, suite.family, sampling, handovers, (), images, compute)
        return trajectory, Shard(base, checkpoint, suite.family, sampling, handovers, ("prompt",), images, compute)

    size = compute.shard_size
    groups = [range(i, min(i + size, paper.n_images)) for i in range(0, paper.n_images, size)]
    return PromptPlan(text, tuple(pair(group, (0,)) for group in groups), pair([paper.seed], tuple(sorted(set(k.values())))), k)


class RestartedGenerator(Generator):
    """Generates with the restarted solver. θ's shards hold ``original`` and ``latents.KKKK``, no clean predictions."""

    def _run_original(self, shard: Shard) -> Arrays:
        model, batch_size = self.original, shard.compute.batch_size
        x = model.noise([image.seed for image in shard.images])
        finished, latents, forward_passes = run_pndm_from(
            model, [image.prompt for image in shard.images], x, 0, shard.handovers, batch_size
        )
        self.forward_passes += forward_passes
        arrays: Arrays = {f"latents.{k:04d}": latents[k].float().cpu().numpy() for k in shard.handovers}
        return arrays | {"original": model.decode(finished, batch_size)}

    def _hand_over(self, shard: Shard, trajectory: Arrays) -> Arrays:
        model, batch_size, arrays = self.unlearned, shard.compute.batch_size, {}
        for k in shard.handovers:
            x = torch.from_numpy(trajectory[f"latents.{k:04d}"]).to(model.device, model.dtype)
            finished, _, forward_passes = run_pndm_from(model, [image.prompt for image in shard.images], x, k, (), batch_size)
            self.forward_passes += forward_passes
            arrays[branch_name("prompt", k)] = model.decode(finished, batch_size)
        return arrays
