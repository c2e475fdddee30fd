"""The plan of an evaluation before anything runs: which shards of which images (no torch)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from unconceal.diffusion.families import FAMILIES
from unconceal.generate.identity import ComputeConfig, ImageKey, Sampling, Shard, image_seed
from unconceal.specs.suite import Probing, Suite, Tier
from unconceal.specs.task import Task

ShardPair = tuple[Shard, Shard | None]
"""θ's trajectories of some images and θ*'s continuations (None: there are none)."""


@dataclass(frozen=True)
class Block:
    """Images of one purpose: prompts × seeds × handovers × arms, split into shards; θ's trajectories and θ*'s branches.

    Images are ordered prompt by prompt, ``seeds`` of each; ``trajectories[i]`` and ``handovers[i]`` hold the same images.
    """

    name: str
    prompts: tuple[str, ...]
    seeds: int
    k: dict[float, int]
    """ψ to the step of the handover."""
    trajectories: tuple[Shard, ...]
    handovers: tuple[Shard, ...]

    @property
    def pairs(self) -> list[ShardPair]:
        """Every shard of both models."""
        return list(zip(self.trajectories, self.handovers or (None,) * len(self.trajectories), strict=True))


@dataclass(frozen=True)
class Plan:
    """Every block of one (task, submission) at one tier.

    ``retain_original``: θ's own unconditional continuations of ``retain``. ``own_empty``: unconditional continuations with θ*'s own
    embedding of the empty prompt, a diagnostic; None where its text encoder is θ's.
    """

    evaluation: Block
    train: Block
    reference: Block
    retain: Block
    retain_original: Block
    retain_reference: Block
    own_empty: Block | None = None

    @property
    def blocks(self) -> tuple[Block, ...]:
        diagnostic = () if self.own_empty is None else (self.own_empty,)
        return (self.train, self.reference, self.evaluation, self.retain, self.retain_original, self.retain_reference, *diagnostic)

    @property
    def pairs(self) -> list[ShardPair]:
        return [pair for block in self.blocks for pair in block.pairs]

    @property
    def shards(self) -> list[Shard]:
        """Every shard once: some blocks continue the same trajectories."""
        return list(dict.fromkeys(shard for block in self.blocks for shard in (*block.trajectories, *block.handovers)))


def sampling_of(suite: Suite) -> Sampling:
    """The suite's sampler as part of the identity of images."""
    sampler = suite.sampler
    shift = sampler.shift if sampler.scheduler == "flow-euler" else None
    return Sampling(sampler.scheduler, sampler.num_inference_steps, sampler.guidance_scale, shift, sampler.image_size)


@dataclass(frozen=True)
class ProbePlan:
    """The images of neighbours and attacks: ψ = 0 in the prompt arm, the same at every tier.

    ``gate``, ``attack_gates``: θ alone, on the seeds that decide eligibility; ``neighbours``, ``attacks``: θ and θ* on other seeds. Attacks
    are keyed by probe set; each set has its own blocks, so that adding a set leaves the other shards unchanged.
    """

    gate: Block
    neighbours: Block
    attack_gates: dict[str, Block]
    attacks: dict[str, Block]

    @property
    def always_generated(self) -> list[ShardPair]:
        """Everything but the attacks, of which only eligible ones are generated."""
        return [pair for block in (self.gate, self.neighbours, *self.attack_gates.values()) for pair in block.pairs]

    @property
    def shards(self) -> list[Shard]:
        """All of them, as if every attack were eligible."""
        blocks = (self.gate, self.neighbours, *self.attack_gates.values(), *self.attacks.values())
        return [shard for block in blocks for shard in (*block.trajectories, *block.handovers)]


@dataclass(frozen=True)
class ShardPlanner:
    """Splits prompts and seeds into the shards of one pair of models; every number comes from the suite."""

    suite: Suite
    base_digest: str
    checkpoint_digest: str
    compute_config: ComputeConfig

    def block(self, name: str, prompts: Sequence[str], start: int, seeds: int, grid: Sequence[float], arms: tuple[str, ...]) -> Block:
        """Images of both models.

        Args:
            name: of the block.
            prompts: texts.
            start: first seed.
            seeds: images per prompt.
            grid: handover ratios ψ.
            arms: how θ* continues.
        """
        suite, compute = self.suite, self.compute_config
        family, sampling = FAMILIES[suite.family], sampling_of(suite)
        k = family.handovers(grid, family.levels(suite.sampler), suite.sampler.num_train_timesteps)
        steps = tuple(sorted(set(k.values())))
        images = [ImageKey(text, image_seed(start, text, index)) for text in prompts for index in range(seeds)]
        groups = [tuple(images[i : i + compute.shard_size]) for i in range(0, len(images), compute.shard_size)]

        def shards(checkpoint: str | None, arms: tuple[str, ...]) -> tuple[Shard, ...]:
            return tuple(Shard(self.base_digest, checkpoint, suite.family, sampling, steps, arms, group, compute) for group in groups)

        return Block(name, tuple(prompts), seeds, k, shards(None, ()), shards(self.checkpoint_digest, arms))

    def pair(self, name: str, prompts: Sequence[str], start: int, seeds: int) -> Block:
        """λO and λU alone."""
        return self.block(name, prompts, start, seeds, (0.0,), ("prompt",))

    def original_only(self, name: str, prompts: Sequence[str], start: int, seeds: int) -> Block:
        """λO alone."""
        return replace(self.pair(name, prompts, start, seeds), handovers=())


def build_plan(
    suite: Suite, tier: Tier, task: Task, base_digest: str, checkpoint_digest: str, compute: ComputeConfig, own_empty: bool = False
) -> Plan:
    """The plan of one evaluation. ``own_empty``: whether to add the diagnostic arm, over the window of the excess."""
    planner = ShardPlanner(suite, base_digest, checkpoint_digest, compute)
    forget = [prompt.text for prompt in task.forget[: tier.n_prompts]]
    retain = [prompt.text for prompt in task.retain[: tier.n_retain_prompts]]
    start, seeds = suite.seed_starts, tier.seeds
    unguided = tuple(arm for arm in suite.arms if arm != "prompt")
    original = replace(planner, checkpoint_digest=base_digest)
    window = [psi for psi in tier.psi if suite.scores.excess_psi[0] <= psi <= suite.scores.excess_psi[1]]
    evaluation = planner.block("evaluation", forget, start.evaluation, seeds.evaluation, tier.psi, suite.arms)
    diagnostic = planner.block("own empty", forget, start.evaluation, seeds.evaluation, window, ("own-empty",))
    return Plan(
        evaluation=evaluation,
        train=planner.pair("train", forget, start.train, seeds.train),
        reference=planner.pair("reference", forget, start.reference, seeds.reference),
        retain=planner.block("retain", retain, start.evaluation, seeds.retain, tier.retain_psi, suite.arms),
        retain_original=original.block("retain original", retain, start.evaluation, seeds.retain, tier.retain_psi, unguided),
        retain_reference=planner.pair("retain reference", retain, start.reference, seeds.reference),
        own_empty=replace(diagnostic, trajectories=evaluation.trajectories) if own_empty else None,
    )


def build_probe_plan(planner: ShardPlanner, probing: Probing, task: Task, attacks: Mapping[str, Sequence[str]]) -> ProbePlan:
    """The plan of a task's neighbours and of attacks by probe set. Neighbours' images do not depend on the task's target."""
    start, count = planner.suite.seed_starts, prompts_per_neighbour(probing, task)
    texts = [text for neighbour in task.neighbours for text in neighbour.prompts[:count]]
    nonempty = {name: prompts for name, prompts in attacks.items() if prompts}
    return ProbePlan(
        gate=planner.original_only("gate", texts, start.reference, probing.gate_seeds),
        neighbours=planner.pair("neighbours", texts, start.evaluation, probing.seeds),
        attack_gates={
            name: planner.original_only("attack gate", prompts, start.reference, probing.attack_seeds) for name, prompts in nonempty.items()
        },
        attacks={name: attack_block(planner, probing, prompts) for name, prompts in nonempty.items()},
    )


def attack_block(planner: ShardPlanner, probing: Probing, prompts: Sequence[str]) -> Block:
    """Images of attacks by θ and θ*. Which attacks are eligible is known once θ's gate images are judged."""
    return planner.pair("attacks", prompts, planner.suite.seed_starts.evaluation, probing.attack_seeds)


def prompts_per_neighbour(probing: Probing, task: Task) -> int:
    """Number of prompts per neighbour: the suite's, or the smallest number that a neighbour has."""
    fewest = min(len(neighbour.prompts) for neighbour in task.neighbours)
    return min(fewest, probing.n_prompts or fewest)
