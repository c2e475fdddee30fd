"""The whole plan of an evaluation before anything runs: which shards, what is stored already, what is left (no torch)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unconceal.diffusion.families import FAMILIES
from unconceal.generate.identity import Layout, Picture, Sampling, Shard, image_seed
from unconceal.specs.suite import Suite, Tier
from unconceal.specs.task import Task


@dataclass(frozen=True)
class Block:
    """Pictures of one purpose: prompts × seeds × handovers × arms, cut into shards; θ's trajectories beside θ*'s branches.

    Pictures are ordered prompt by prompt, ``seeds`` of each; ``trajectories[i]`` and ``handovers[i]`` have equal members.
    """

    name: str
    prompts: tuple[str, ...]
    seeds: int
    k: dict[float, int]
    """ψ to the step of the handover."""
    trajectories: tuple[Shard, ...]
    handovers: tuple[Shard, ...]


@dataclass(frozen=True)
class Plan:
    """Every block of one (task, submission) at one tier."""

    evaluation: Block
    train: Block
    reference: Block
    retain: Block
    retain_reference: Block

    @property
    def blocks(self) -> tuple[Block, ...]:
        return (self.train, self.reference, self.evaluation, self.retain, self.retain_reference)

    @property
    def shards(self) -> list[Shard]:
        return [shard for block in self.blocks for shard in (*block.trajectories, *block.handovers)]


def sampling_of(suite: Suite) -> Sampling:
    """The suite's sampler as pictures are identified by it."""
    sampler = suite.sampler
    shift = sampler.shift if sampler.scheduler == "flow-euler" else None
    return Sampling(sampler.scheduler, sampler.steps, sampler.guidance, shift, sampler.size)


def build_plan(suite: Suite, tier: Tier, task: Task, base_digest: str, checkpoint_digest: str, layout: Layout) -> Plan:
    """The plan of one evaluation; every number comes from the suite."""
    family, sampling = FAMILIES[suite.family], sampling_of(suite)
    levels = family.levels(suite.sampler)
    forget = [prompt.text for prompt in task.forget[: tier.prompts]]
    retain = [prompt.text for prompt in task.retain[: tier.retain_prompts]]

    def block(name: str, prompts: Sequence[str], start: int, seeds: int, grid: Sequence[float], arms: tuple[str, ...]) -> Block:
        k = family.handovers(grid, levels, suite.sampler.train_steps)
        kept = tuple(sorted(set(k.values())))
        pictures = [Picture(text, image_seed(start, text, number)) for text in prompts for number in range(seeds)]
        groups = [tuple(pictures[i : i + layout.shard]) for i in range(0, len(pictures), layout.shard)]
        ours = [Shard(base_digest, None, suite.family, sampling, kept, (), group, layout) for group in groups]
        theirs = [Shard(base_digest, checkpoint_digest, suite.family, sampling, kept, arms, group, layout) for group in groups]
        return Block(name, tuple(prompts), seeds, k, tuple(ours), tuple(theirs))

    start, seeds = suite.seed_starts, tier.seeds
    return Plan(
        evaluation=block("evaluation", forget, start.evaluation, seeds.evaluation, tier.psi, suite.arms),
        train=block("train", forget, start.train, seeds.train, (0.0,), ("prompt",)),
        reference=block("reference", forget, start.reference, seeds.reference, (0.0,), ("prompt",)),
        retain=block("retain", retain, start.evaluation, seeds.retain, tier.retain_psi, ("prompt",)),
        retain_reference=block("retain reference", retain, start.reference, seeds.reference, (0.0,), ("prompt",)),
    )
