"""Suites: base model, protocol values, tiers and judges that all tasks of a suite share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, pairwise
from typing import Annotated, Literal

from pydantic import Field

from unconceal.specs.battery import Battery, ProbeName
from unconceal.specs.judge_training import CLIP, JudgeTraining
from unconceal.specs.paper_protocol import PaperProtocol
from unconceal.specs.sequential import Sequential
from unconceal.specs.spec import Count, Mistake, Name, Pinned, Ratio, Spec

TierName = Literal["quick", "full", "audit"]
"""Tiers that a suite's file lists."""
RunTierName = Literal["verdict", "quick", "full", "audit"]
"""Tiers of a run, from the cheapest."""
VERDICT: Literal["verdict"] = "verdict"
"""The sequential tier, which stops as soon as a verdict is reached: its settings are ``Suite.sequential``."""
REFERENCE_TIER: TierName = "full"
"""The tier whose prompts, seeds and gold records the sequential tier uses."""
Arm = Literal["prompt", "empty", "own-empty"]
DECIDING_ARMS: tuple[Arm, ...] = ("prompt", "empty")
"""The diagnostic arm decides nothing: a submission's own embedding of the empty prompt could mean anything."""
Grid = Annotated[tuple[Ratio, ...], Field(min_length=2, description="handover ratios ψ, ascending from 0 to 1")]


FamilyName = Literal["stable-diffusion", "stable-diffusion-xl", "flux"]
SchedulerName = Literal["ddim", "euler", "dpmpp-2m", "flow-euler"]
SOLVERS: dict[FamilyName, SchedulerName] = {"stable-diffusion": "ddim", "stable-diffusion-xl": "ddim", "flux": "flow-euler"}
"""The deterministic single-step solver of each model family."""


class Sampler(Spec):
    """The sampler of all images.

    Attributes:
        guidance_scale: of classifier-free guidance, or the embedded scale of a distilled model.
        num_train_timesteps: N_train of the handover.
        shift: time shift s of flow matching.
        image_size: side in pixels; None: the model's default.
    """

    scheduler: SchedulerName
    num_inference_steps: Count
    guidance_scale: float = Field(ge=0, le=1000)
    num_train_timesteps: Count = 1000
    shift: float = Field(1.0, gt=0)
    image_size: Count | None = None

    def mistakes(self) -> Iterator[Mistake]:
        """More steps than the model was trained with."""
        if self.num_inference_steps > self.num_train_timesteps:
            value, consequence = f"{self.num_inference_steps} steps", f"are more than the {self.num_train_timesteps} of the training"
            yield Mistake("sampler.too-many-steps", ("num_inference_steps",), value, consequence, "take fewer")


class Seeds(Spec):
    """Number of seeds per prompt in each block. ``retain``: seeds of the evaluation block for retain prompts."""

    train: Count
    reference: int = Field(ge=2, description="at least two: of retain prompts, one half is the reference and the other half is held out")
    evaluation: Count
    retain: Count


Start = Annotated[int, Field(ge=0, lt=9_000, description="the block must end below 10,000; the prompt adds a multiple of 10,000")]


class SeedStarts(Spec):
    """First seed of each block. Blocks are disjoint, so that training and held-out images differ by seed."""

    train: Start
    reference: Start
    evaluation: Start

    def blocks(self, seeds: Seeds) -> dict[str, range]:
        """Seeds of each block; the evaluation block is as long as its longest use."""
        counts = {"train": seeds.train, "reference": seeds.reference, "evaluation": max(seeds.evaluation, seeds.retain)}
        return {name: range(start, start + counts[name]) for name, start in self}


class Tier(Spec):
    """Number of prompts, seeds and handovers, and the probes of the battery.

    Attributes:
        n_prompts, n_retain_prompts: the first of a task; None: all.
        probes: beside the handover.
    """

    psi: Grid
    retain_psi: Grid
    seeds: Seeds
    n_prompts: Count | None = None
    n_retain_prompts: Count | None = None
    extractors: tuple[str, ...] = Field(min_length=1)
    probes: tuple[ProbeName, ...] = ()

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
    """Values of scores and verdicts.

    Attributes:
        mean_psi: window of the mean of CRS and CCS over ψ; ``excess_psi``: of excess retrieval.
        margin: δ, in units of θ's rate.
        min_auc: minimum lower bound of the AUC of a classifier whose scores are used.
        max_retain_drop: maximum drop of a retained concept's rate, as a share of θ's, at any ψ ≤ ``max_retain_psi``.
        max_psi_star: upper end of the search for ψ*.
        min_prompts: with fewer prompts there is no verdict.
        n_resamples: of the bootstrap.
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
        """Empty or reversed windows."""
        for name, (low, high) in (("mean_psi", self.mean_psi), ("excess_psi", self.excess_psi)):
            if low >= high:
                yield Mistake("suite.empty-window", (name,), f"{name} [{low}, {high}]", "is an empty window", "put the lower end first")


class Probing(Spec):
    """Measurement of neighbour damage and attacks, the same in all tiers.

    Attributes:
        n_prompts: prompts per neighbour, the first of the task; None: all.
        gate_seeds: θ's images per prompt that decide which neighbours are eligible, from the reference block.
        seeds: images per prompt of both models, from the evaluation block.
        min_gate_accuracy: minimum share of θ's gate images in which zero-shot CLIP finds the neighbour.
        min_neighbours: with fewer eligible neighbours there is no rank correlation.
        min_kid_images: with fewer images of a neighbour there is no KID.
        attack_seeds: images per attack in each block.
        n_resamples: number of permutations and of random orders.
        n_splits: number of random halves for the noise ceiling.
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
        """Maximum number of seeds that it takes from each block."""
        evaluation = max(self.seeds, self.attack_seeds)
        return Seeds(train=1, reference=max(2, self.gate_seeds, self.attack_seeds), evaluation=evaluation, retain=1)


class FineTune(Spec):
    """Fine-tuning of the extractors to tell λO from λU.

    Attributes:
        learning_rate: of SGD.
        triplet_margin: in Euclidean distance.
        n_negatives: number of candidates of which the hardest negative is taken.
        seed: of the order, the triplets and the head's initialization; None: the first seed of the train block.
    """

    epochs: Count
    batch_size: Count
    learning_rate: float = Field(gt=0)
    momentum: Ratio
    triplet_margin: float = Field(ge=0)
    n_negatives: Count = 3
    seed: int | None = Field(None, ge=0)


class Judges(Spec):
    """The frozen models that score images, each with its digest."""

    concept: Pinned
    extractors: dict[str, Pinned] = Field(min_length=1)
    clip: Pinned


class Suite(Spec):
    """Everything that the tasks of a suite share. Any change makes a new ``version``."""

    name: Name
    version: Count
    title: str = Field(min_length=1)
    draft: bool = Field(False, description="parts of it are not pinned yet, so its results are not ranked")
    family: FamilyName = "stable-diffusion"
    base: Pinned
    protocol: Literal["standard"] = "standard"
    paper: PaperProtocol | None = Field(None, description="values of protocol paper that differ from the release")
    sampler: Sampler
    arms: tuple[Arm, ...] = Field(default=("prompt", "empty"), min_length=1)
    tiers: dict[TierName, Tier] = Field(min_length=1)
    sequential: Sequential | None = Field(Sequential(), description="settings of tier verdict; null: the suite has none")
    seed_starts: SeedStarts
    scores: Scoring = Scoring()
    probing: Probing | None = None
    battery: Battery = Battery()
    fine_tune: FineTune
    judges: Judges
    judge_training: JudgeTraining = JudgeTraining()
    primary: str = "excess"

    @property
    def paper_protocol(self) -> PaperProtocol:
        """Values of protocol ``paper``."""
        return self.paper or PaperProtocol()

    def has_tier(self, name: str) -> bool:
        """Whether there is a tier of that name."""
        return name in self.tiers or (name == VERDICT and self.sequential is not None and REFERENCE_TIER in self.tiers)

    def tier(self, name: str) -> Tier:
        """A tier by its name; the sequential one is the full tier with other ratios and probes, and without classifiers."""
        if name != VERDICT or self.sequential is None:
            return self.tiers[name]  # type: ignore[index]
        settings = self.sequential
        grids = {"psi": (0.0, *settings.psi, 1.0), "retain_psi": (0.0, settings.retain_psi, 1.0)}
        return self.tiers[REFERENCE_TIER].model_copy(update={**grids, "extractors": (), "probes": settings.probes})

    @property
    def id(self) -> str:
        """Name and version: ``miniature-1``."""
        return f"{self.name}-{self.version}"

    def mistakes(self) -> Iterable[Mistake]:
        """Overlapping seed blocks, unknown extractors, a scheduler of another family, duplicate arms."""
        yield from seed_overlaps(self.seed_starts, {name: tier.seeds for name, tier in self.tiers.items()})
        if self.probing:
            yield from seed_overlaps(self.seed_starts, {"probing": self.probing.seed_counts})
        for name, tier in self.tiers.items():
            for index, extractor in enumerate(tier.extractors):
                if extractor not in self.judges.extractors:
                    location = ("tiers", name, "extractors", index)
                    yield Mistake(
                        "suite.unknown-extractor",
                        location,
                        repr(extractor),
                        "is no extractor of this suite",
                        f"use {', '.join(self.judges.extractors)}",
                    )
        for index, part in enumerate(self.judge_training.features):
            if part not in (CLIP, *self.judges.extractors):
                remedy = f"use {', '.join((CLIP, *self.judges.extractors))}"
                yield Mistake(
                    "suite.unknown-judge-feature",
                    ("judge_training", "features", index),
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
    """Pairs of seed blocks that overlap in a tier."""
    for tier, counts in seeds.items():
        for (name, block), (other_name, other) in combinations(starts.blocks(counts).items(), 2):
            shared = range(max(block.start, other.start), min(block.stop, other.stop))
            if shared:
                value = f"seed {shared[0]} of tier {tier}"
                consequence = f"lies in the blocks {name} and {other_name}, so the held-out images would not be held out"
                yield Mistake("suite.overlapping-seeds", ("seed_starts", other_name), value, consequence, "move the starts further apart")
