"""The whole plan of an evaluation before anything runs: which shards, what is stored already, what is left (no torch)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from unconceal.diffusion.families import FAMILIES
from unconceal.generate.identity import ComputeConfig, ImageKey, Sampling, Shard, image_seed
from unconceal.specs.suite import Probing, Suite, Tier
from unconceal.specs.task import Task

Pair = tuple[Shard, Shard | None]
"""θ's trajectories of some pictures and what θ* makes of them (None: nothing is asked of it)."""


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

    @property
    def pairs(self) -> list[Pair]:
        """Every cell of both models."""
        return list(zip(self.trajectories, self.handovers or (None,) * len(self.trajectories), strict=True))


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
    def pairs(self) -> list[Pair]:
        return [pair for block in self.blocks for pair in block.pairs]

    @property
    def shards(self) -> list[Shard]:
        return [shard for block in self.blocks for shard in (*block.trajectories, *block.handovers)]


def sampling_of(suite: Suite) -> Sampling:
    """The suite's sampler as pictures are identified by it."""
    sampler = suite.sampler
    shift = sampler.shift if sampler.scheduler == "flow-euler" else None
    return Sampling(sampler.scheduler, sampler.steps, sampler.guidance, shift, sampler.size)


@dataclass(frozen=True)
class ProbePlan:
    """What neighbours and attacks take beside: ψ = 0 in the prompt arm, at every tier alike.

    ``gate``, ``attack_gates``: θ alone, on the seeds that decide what is eligible; ``neighbours``, ``attacks``: θ and θ* on others. Attacks
    by the name of their probe set, each with blocks of its own, so that another set leaves their shards as they are.
    """

    gate: Block
    neighbours: Block
    attack_gates: dict[str, Block]
    attacks: dict[str, Block]

    @property
    def certain(self) -> list[Pair]:
        """Everything but the attacks, of which only eligible ones are drawn."""
        return [pair for block in (self.gate, self.neighbours, *self.attack_gates.values()) for pair in block.pairs]

    @property
    def shards(self) -> list[Shard]:
        """All of them, as if every attack were eligible."""
        blocks = (self.gate, self.neighbours, *self.attack_gates.values(), *self.attacks.values())
        return [shard for block in blocks for shard in (*block.trajectories, *block.handovers)]


@dataclass(frozen=True)
class Cutter:
    """Cuts prompts and seeds into the shards of one pair of models; every number comes from the suite."""

    suite: Suite
    base_digest: str
    checkpoint_digest: str
    layout: ComputeConfig

    def block(self, name: str, prompts: Sequence[str], start: int, seeds: int, grid: Sequence[float], arms: tuple[str, ...]) -> Block:
        """Both models' pictures of one purpose."""
        suite, layout = self.suite, self.layout
        family, sampling = FAMILIES[suite.family], sampling_of(suite)
        k = family.handovers(grid, family.levels(suite.sampler), suite.sampler.train_steps)
        kept = tuple(sorted(set(k.values())))
        pictures = [ImageKey(text, image_seed(start, text, number)) for text in prompts for number in range(seeds)]
        groups = [tuple(pictures[i : i + layout.shard]) for i in range(0, len(pictures), layout.shard)]
        ours = [Shard(self.base_digest, None, suite.family, sampling, kept, (), group, layout) for group in groups]
        theirs = [Shard(self.base_digest, self.checkpoint_digest, suite.family, sampling, kept, arms, group, layout) for group in groups]
        return Block(name, tuple(prompts), seeds, k, tuple(ours), tuple(theirs))

    def pair(self, name: str, prompts: Sequence[str], start: int, seeds: int) -> Block:
        """λO and λU alone."""
        return self.block(name, prompts, start, seeds, (0.0,), ("prompt",))

    def original(self, name: str, prompts: Sequence[str], start: int, seeds: int) -> Block:
        """λO alone."""
        return replace(self.pair(name, prompts, start, seeds), handovers=())


def build_plan(suite: Suite, tier: Tier, task: Task, base_digest: str, checkpoint_digest: str, layout: ComputeConfig) -> Plan:
    """The plan of one evaluation."""
    cut = Cutter(suite, base_digest, checkpoint_digest, layout)
    forget = [prompt.text for prompt in task.forget[: tier.prompts]]
    retain = [prompt.text for prompt in task.retain[: tier.retain_prompts]]
    start, seeds = suite.seed_starts, tier.seeds
    return Plan(
        evaluation=cut.block("evaluation", forget, start.evaluation, seeds.evaluation, tier.psi, suite.arms),
        train=cut.pair("train", forget, start.train, seeds.train),
        reference=cut.pair("reference", forget, start.reference, seeds.reference),
        retain=cut.block("retain", retain, start.evaluation, seeds.retain, tier.retain_psi, ("prompt",)),
        retain_reference=cut.pair("retain reference", retain, start.reference, seeds.reference),
    )


def build_probe_plan(cut: Cutter, probing: Probing, task: Task, attacks: Mapping[str, Sequence[str]]) -> ProbePlan:
    """The plan of a task's neighbours and of attacks by probe set. Neighbours' pictures do not depend on the task's target."""
    start, each = cut.suite.seed_starts, prompts_each(probing, task)
    shown = [text for neighbour in task.neighbours for text in neighbour.prompts[:each]]
    written = {name: prompts for name, prompts in attacks.items() if prompts}
    return ProbePlan(
        gate=cut.original("gate", shown, start.reference, probing.gate_seeds),
        neighbours=cut.pair("neighbours", shown, start.evaluation, probing.seeds),
        attack_gates={
            name: cut.original("attack gate", prompts, start.reference, probing.attack_seeds) for name, prompts in written.items()
        },
        attacks={name: attack_block(cut, probing, prompts) for name, prompts in written.items()},
    )


def attack_block(cut: Cutter, probing: Probing, prompts: Sequence[str]) -> Block:
    """Attacks as θ and θ* draw them. Only eligible ones are worth it, and which these are is known once θ's gate pictures are judged."""
    return cut.pair("attacks", prompts, cut.suite.seed_starts.evaluation, probing.attack_seeds)


def prompts_each(probing: Probing, task: Task) -> int:
    """Prompts that each neighbour is shown with: as many as the suite says, where every neighbour has them."""
    fewest = min(len(neighbour.prompts) for neighbour in task.neighbours)
    return min(fewest, probing.prompts or fewest)
