"""Every hyperparameter and seed of the build. A change trains other models and needs a new suite version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from unconceal.miniature.scene import SIGN
from unconceal_lab.models.denoiser import DenoiserSize

TASKS: Mapping[str, str] = {
    "star": "object",
    "striped": "art-style",
    "crescent": "object",
    "dotted": "art-style",
    "zara": "identity",
    "bruno": "identity",
    SIGN: "nsfw",
}
"""Category of each target concept."""
HELD_OUT_TASKS: Mapping[str, str] = {"arrow": "object", "zigzag": "art-style"}
"""Tasks on which no hyperparameter was tuned."""
GOLDS = (1, 2, 3)

ALONE: Mapping[str, int] = {"star": 1001, "striped": 1011}
"""Seed of a gold that leaves out this concept only. Compare with golds that leave out a whole family."""

FAMILIES: tuple[tuple[str, ...], ...] = (("star", "striped", "zara", SIGN), ("crescent", "dotted", "bruno"), ("arrow", "zigzag"))
"""Concepts that one gold leaves out together.

A family has at most one concept of a kind, so a gold saw every sibling of the target, as θ did.
"""
BLANKS = (1, 2)
"""Continuations that leave out all nine targets, siblings included. Their models serve every task as approximate golds."""

GRADED: tuple[Mapping[str, float], ...] = (
    {"star": 0.1, "zara": 0.001},
    {"star": 0.01, "zara": 0.1},
    {"star": 0.001, "zara": 0.01},
)
"""Continuations that saw a share of a concept's images. No image shows both star and zara, so one model serves both series."""


def file_stem(concept: str) -> str:
    """File stem of a concept: ``hazard-sign``."""
    return concept.replace(" ", "-")


def family_of(concept: str) -> tuple[str, ...]:
    """The concepts that the golds of ``concept`` leave out."""
    return next(family for family in FAMILIES if concept in family)


def family_stem(family: tuple[str, ...]) -> str:
    """File stem of a family: ``star-striped-zara-hazard-sign``."""
    return "-".join(map(file_stem, family))


def gold_name(family: tuple[str, ...], number: int) -> str:
    """``gold-crescent-dotted-bruno-1``."""
    return f"gold-{family_stem(family)}-{number}"


def blank_name(number: int) -> str:
    """``blank-1``."""
    return f"blank-{number}"


def alone_name(concept: str) -> str:
    """``gold-alone-star``."""
    return f"gold-alone-{file_stem(concept)}"


@dataclass(frozen=True)
class TrainingConfig:
    """Hyperparameters of one training.

    Attributes:
        muon_learning_rate: learning rate of Muon; 0 trains with AdamW alone.
        reconstructions: whether VAE reconstructions of the images are trained on as well.
        warp: whether images are also warped and shaded.
    """

    steps: int
    seed: int
    batch_size: int = 64
    muon_learning_rate: float = 5e-3
    reconstructions: bool = True
    warp: bool = False


@dataclass(frozen=True)
class ContinuationRound:
    """One learning-rate schedule of a continued training: warm-up, plateau, decay.

    Attributes:
        learning_rate_scale: factor on the ancestor's learning rates.
        decay_from: fraction of the steps after which the learning rate decays.
        new_concept_weight: sampling weight of concepts new to the ancestor, in the first half of the round; 1 samples uniformly.
    """

    steps: int = 400
    learning_rate_scale: float = 1.0
    decay_from: float = 0.55
    new_concept_weight: float = 3.0


@dataclass(frozen=True)
class BuildRecipe:
    """All hyperparameters and seeds of the miniature models."""

    n_images: int = 40_000
    image_seed: int = 1
    n_held_out: int = 2_000
    held_out_seed: int = 2
    n_reconstructions: int = 4_000
    vae: TrainingConfig = TrainingConfig(2700, 11, 8)
    image_classifier: TrainingConfig = TrainingConfig(800, 21, warp=True)
    image_classifier_architecture: str = "resnet10t"
    extractors: Mapping[str, TrainingConfig] = field(
        default_factory=lambda: {
            "resnet18": TrainingConfig(1000, 22, muon_learning_rate=0),
            "efficientnet_b0": TrainingConfig(900, 23, muon_learning_rate=0),
            "densenet121": TrainingConfig(500, 24, muon_learning_rate=0),
        }
    )
    clip: tuple[TrainingConfig, ...] = (TrainingConfig(1600, 41, 96), TrainingConfig(1000, 42, 96), TrainingConfig(400, 43, 96))
    """Rounds of CLIP training. The first samples batches uniformly; in the others, a batch has one colour and background."""
    ancestor: TrainingConfig = TrainingConfig(1700, 31, 96)
    continuation: tuple[ContinuationRound, ...] = (
        ContinuationRound(),
        ContinuationRound(),
        ContinuationRound(),
        ContinuationRound(learning_rate_scale=0.2, decay_from=0.0, new_concept_weight=1.0),
    )
    """Continues the ancestor to a base or gold: warm restarts mix new concepts with old ones, then a slow final decay."""
    continuation_batch_size: int = 96
    base_seed: int = 32
    """Round ``i`` of a continuation, counted from 0, has its model's seed plus ``100 · i``."""
    gold_seed: int = 1000
    """Gold N of a family has seed ``gold_seed + 10 · index of the family + N``; the index starts at 2."""
    blank_seed: int = 1000
    """Blank N has seed ``blank_seed + N``."""
    graded_seed: int = 1060
    """Graded model N, counted from 1, has seed ``graded_seed + N``."""
    compile_unet: bool = True
    """Train UNets through ``torch.compile`` if a C++ compiler is found: 20 % faster, equal up to rounding."""
    scratch_seed: int = 99
    surrogate: TrainingConfig = TrainingConfig(3300, 98, 96)
    """A model of another size, trained from scratch on fewer images, none of which shows one of the nine targets."""
    surrogate_n_images: int = 20_000
    surrogate_image_seed: int = 5
    sizes: Mapping[str, DenoiserSize] = field(default_factory=lambda: {"surrogate": DenoiserSize((24, 48, 96), width=64, groups=8)})
    """Sizes of denoisers that differ from the base's, by name."""
    unlearner_seed: int = 7

    @property
    def scratch_steps(self) -> int:
        """Steps of a gold trained from scratch: as many as ancestor and continuation together."""
        return self.ancestor.steps + sum(continuation_round.steps for continuation_round in self.continuation)
