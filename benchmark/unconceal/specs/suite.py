"""A suite: the base model, the protocol's values, the tiers and the judges that all its tasks share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, pairwise
from typing import Annotated, Literal

from pydantic import Field

from unconceal.specs.judge_training import CLIP, JudgeTraining
from unconceal.specs.paper_protocol import PaperProtocol
from unconceal.specs.spec import Count, Mistake, Name, Pinned, Ratio, Spec

TierName = Literal["lite", "full"]
Arm = Literal["prompt", "empty"]
Grid = Annotated[tuple[Ratio, ...], Field(min_length=2, description="handover ratios ψ, ascending from 0 to 1")]


FamilyName = Literal["stable-diffusion", "stable-diffusion-xl", "flux"]
SchedulerName = Literal["ddim", "euler", "dpmpp-2m", "flow-euler"]
SOLVERS: dict[FamilyName, SchedulerName] = {"stable-diffusion": "ddim", "stable-diffusion-xl": "ddim", "flux": "flow-euler"}
"""The deterministic single-step solver of each model family."""


class Sampler(Spec):
    """How images are made. ``steps``: denoising steps; ``guidance``: classifier-free scale, or the one that a distilled model is told;
    ``train_steps``: N_train of the handover; ``shift``: flow matching's time shift s; ``size``: pixels on a side, None: the model's own.
    """

    scheduler: SchedulerName
    num_inference_steps: Count
    guidance_scale: float = Field(ge=0)
    num_train_timesteps: Count = 1000
    shift: float = Field(1.0, gt=0)
    image_size: Count | None = None


class Seeds(Spec):
    """Seeds per prompt in each block. ``retain``: those of the evaluation block that retain prompts use."""

    train: Count
    reference: int = Field(ge=2, description="at least two: retain prompts take half of them as yardstick, half as held out")
    evaluation: Count
    retain: Count


Start = Annotated[int, Field(ge=0, lt=9_000, description="with its whole block below 10,000, whose multiples the prompt decides")]


class SeedStarts(Spec):
    """The first seed of each block. The blocks never share a seed: train and held-out pictures differ by seed."""

    train: Start
    reference: Start
    evaluation: Start

    def blocks(self, seeds: Seeds) -> dict[str, range]:
        """Every block's seeds; the evaluation block is as long as its longest use."""
        counts = {"train": seeds.train, "reference": seeds.reference, "evaluation": max(seeds.evaluation, seeds.retain)}
        return {name: range(start, start + counts[name]) for name, start in self}


class Tier(Spec):
    """How much is measured. ``prompts``, ``retain_prompts``: only the first so many of a task; None: all of them."""

    psi: Grid
    retain_psi: Grid
    seeds: Seeds
    n_prompts: Count | None = None
    n_retain_prompts: Count | None = None
    extractors: tuple[str, ...] = Field(min_length=1)

    def mistakes(self) -> Iterator[Mistake]:
        """Grids that do not ascend from 0 to 1."""
        for name, grid in (("psi", self.psi), ("retain_psi", self.retain_psi)):
            if any(later <= earlier for earlier, later in pairwise(grid)):
                yield Mistake(
                    "suite.unsorted-grid",
                    (name,),
                    name,
                    "does not ascend, so its curve has no mean over ψ",
                    "sort it and drop what stands twice",
                )
            elif grid[0] != 0 or grid[-1] != 1:
                yield Mistake(
                    "suite.incomplete-grid",
                    (name,),
                    name,
                    "lacks ψ = 0 or 1, where θ* and θ work alone",
                    "begin the grid with 0 and end it with 1",
                )


class Scoring(Spec):
    """The values that scores and verdicts rest on.

    ``mean_psi``, ``excess_psi``: windows of the means over ψ. ``margin``: δ. ``separable_auc``: least lower bound of a usable
    classifier's AUC. ``retain_drop``: largest share of θ's rate that a retained concept may lose, at any ψ ≤ ``retain_psi_max``.
    ``psi_star_max``: where the search for ψ* ends. ``least_prompts``: fewer give no verdict. ``bootstrap``: resamples.
    """

    mean_psi: tuple[Ratio, Ratio] = (0.0, 0.55)
    excess_psi: tuple[Ratio, Ratio] = (0.1, 0.6)
    margin: Ratio = 0.10
    min_auc: Ratio = 0.9
    max_retain_drop: Ratio = 0.2
    max_retain_psi: Ratio = 0.6
    max_psi_star: Ratio = 0.85
    min_prompts: Count = 10
    n_resamples: Count = 2000

    def mistakes(self) -> Iterator[Mistake]:
        """Windows that are empty or turned round."""
        for name, (low, high) in (("mean_psi", self.mean_psi), ("excess_psi", self.excess_psi)):
            if low >= high:
                yield Mistake("suite.empty-window", (name,), f"{name} [{low}, {high}]", "is an empty window", "put the lower end first")


class Probing(Spec):
    """How neighbours' damage and attacks are measured, at every tier alike.

    ``prompts``: only the first so many of a neighbour; None: all of them. ``gate_seeds``: θ's pictures per prompt that decide what is
    eligible, of the reference block; ``seeds``: pictures per prompt of both models, of the evaluation block. ``gate``: the share of θ's
    gate pictures in which zero-shot CLIP must find a neighbour. ``least``: fewer eligible neighbours give no rank correlation.
    ``least_kid``: fewer pictures of a neighbour give no KID. ``attack_seeds``: pictures per attack in each block. ``resamples``: of
    permutations and random orders; ``splits``: of the damage into halves.
    """

    n_prompts: Count | None = None
    gate_seeds: Count
    seeds: Count
    min_gate_accuracy: Ratio = 0.5
    min_neighbours: int = Field(8, ge=4)
    min_kid_images: int = Field(100, ge=4)
    attack_seeds: int = Field(4, ge=4)
    n_resamples: Count = 10_000
    n_splits: Count = 100

    @property
    def seed_counts(self) -> Seeds:
        """The most seeds of each block that it takes."""
        evaluation = max(self.seeds, self.attack_seeds)
        return Seeds(train=1, reference=max(2, self.gate_seeds, self.attack_seeds), evaluation=evaluation, retain=1)


class FineTune(Spec):
    """How the extractors learn λO from λU. ``rate``: SGD's; ``triplet_margin``: Euclidean; ``negatives``: the hardest of so many.
    ``seed``: of order, triplets and the head's start; None: the first seed of the train block.
    """

    epochs: Count
    batch_size: Count
    learning_rate: float = Field(gt=0)
    momentum: Ratio
    triplet_margin: float = Field(ge=0)
    n_negatives: Count = 3
    seed: int | None = Field(None, ge=0)


class Judges(Spec):
    """The frozen models that look at pictures, each by its digest."""

    concept: Pinned
    extractors: dict[str, Pinned] = Field(min_length=1)
    clip: Pinned


class Suite(Spec):
    """Everything that a suite's tasks share. Any change of it makes a new ``version``."""

    name: Name
    version: Count
    title: str = Field(min_length=1)
    draft: bool = Field(False, description="parts of it are not pinned yet, so nothing of it can be run for a rank")
    family: FamilyName = "stable-diffusion"
    base: Pinned
    protocol: Literal["standard"] = "standard"
    paper: PaperProtocol | None = Field(None, description="values of protocol paper, where they are not those of the release")
    sampler: Sampler
    arms: tuple[Arm, ...] = Field(default=("prompt", "empty"), min_length=1)
    tiers: dict[TierName, Tier] = Field(min_length=1)
    seed_starts: SeedStarts
    scores: Scoring = Scoring()
    probing: Probing | None = None
    fine_tune: FineTune
    judges: Judges
    judge_training: JudgeTraining = JudgeTraining()
    primary: str = "excess"

    @property
    def paper_protocol(self) -> PaperProtocol:
        """The values of protocol ``paper`` in force."""
        return self.paper or PaperProtocol()

    @property
    def id(self) -> str:
        """Name and version, as results name it: ``miniature-1``."""
        return f"{self.name}-{self.version}"

    def mistakes(self) -> Iterable[Mistake]:
        """Seed blocks that overlap, extractors that no judge provides, a solver of another family, an arm named twice."""
        yield from seed_overlaps(self.seed_starts, {name: tier.seeds for name, tier in self.tiers.items()})
        if self.probing:
            yield from seed_overlaps(self.seed_starts, {"probing": self.probing.seed_counts})
        for name, tier in self.tiers.items():
            for place, extractor in enumerate(tier.extractors):
                if extractor not in self.judges.extractors:
                    at = ("tiers", name, "extractors", place)
                    yield Mistake(
                        "suite.unknown-extractor",
                        at,
                        repr(extractor),
                        "is no extractor of this suite",
                        f"use {', '.join(self.judges.extractors)}",
                    )
        for place, part in enumerate(self.judge_training.features):
            if part not in (CLIP, *self.judges.extractors):
                remedy = f"use {', '.join((CLIP, *self.judges.extractors))}"
                yield Mistake(
                    "suite.unknown-judge-feature",
                    ("judge_training", "features", place),
                    repr(part),
                    "is nothing of this suite that a judge could stand on",
                    remedy,
                )
        solver = SOLVERS[self.family]
        if self.sampler.scheduler != solver:
            value = f"scheduler {self.sampler.scheduler!r}"
            yield Mistake(
                "suite.wrong-scheduler",
                ("sampler", "scheduler"),
                value,
                f"does not step through the noise of family {self.family!r}",
                f"use {solver}",
            )
        if len(set(self.arms)) < len(self.arms):
            yield Mistake("suite.duplicate-arm", ("arms",), "arms", "names an arm twice", "name each arm once")


def seed_overlaps(starts: SeedStarts, seeds: Mapping[str, Seeds]) -> Iterator[Mistake]:
    """Pairs of seed blocks that share a seed in some tier."""
    for tier, counts in seeds.items():
        for (one, first), (other, second) in combinations(starts.blocks(counts).items(), 2):
            shared = range(max(first.start, second.start), min(first.stop, second.stop))
            if shared:
                value = f"seed {shared[0]} of tier {tier}"
                consequence = f"lies in the blocks {one} and {other}, so the held-out pictures would not be held out"
                yield Mistake("suite.overlapping-seeds", ("seed_starts", other), value, consequence, "move the starts further apart")
