"""Every number of the build. Changing one makes other models, hence a new suite version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from unconceal_lab.models.denoiser import Size
from unconceal.miniature.scene import SIGN

TASKS: Mapping[str, str] = {
    "star": "object",
    "striped": "art-style",
    "crescent": "object",
    "dotted": "art-style",
    "zara": "identity",
    "bruno": "identity",
    SIGN: "nsfw",
}
"""Concept to category."""
HELD_OUT_TASKS: Mapping[str, str] = {"arrow": "object", "zigzag": "art-style"}
"""Tasks that no choice was made on."""
GOLDS = (1, 2, 3)

ALONE: Mapping[str, int] = {"star": 1001, "striped": 1011}
"""Concept to seed of a gold that leaves out this concept and nothing else: they say what it changes that golds leave out a family."""

FAMILIES: tuple[tuple[str, ...], ...] = (("star", "striped", "zara", SIGN), ("crescent", "dotted", "bruno"), ("arrow", "zigzag"))
"""Concepts that a gold leaves out together: never two of a kind, so that a gold knows every sibling of the concept at hand, as θ does."""
BLANKS = (1, 2)
"""Continuations that leave out all nine concepts, siblings too: golds of a lesser kind, one for every task."""

GRADED: tuple[Mapping[str, float], ...] = (
    {"star": 0.1, "zara": 0.001},
    {"star": 0.01, "zara": 0.1},
    {"star": 0.001, "zara": 0.01},
)
"""Continuations that saw a share of a concept's pictures; star and zara never meet in one, so each model serves both series."""


def file_stem(concept: str) -> str:
    """What files about a concept are called: ``hazard-sign``."""
    return concept.replace(" ", "-")


def family_of(concept: str) -> tuple[str, ...]:
    """The concepts that the golds of ``concept`` leave out."""
    return next(family for family in FAMILIES if concept in family)


def family_stem(family: tuple[str, ...]) -> str:
    """What files about a family are called: ``star-striped-zara-hazard-sign``."""
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
class Training:
    """Steps, seed and batch of one training; ``muon`` 0: AdamW alone."""

    steps: int
    seed: int
    batch: int = 64
    muon: float = 5e-3
    softened: bool = True
    """Whether pictures after a VAE round trip are trained on as well."""
    warped: bool = False
    """Whether pictures are bent and shaded as well."""


@dataclass(frozen=True)
class Round:
    """One schedule of a continuation: warm-up, plateau, decay.

    ``rate``: share of the ancestor's learning rates; ``decay_from``: share of the steps after which it decays; ``favour``: how
    many times as often concepts new to the ancestor are shown in the round's first half (1: the natural mix throughout).
    """

    steps: int = 400
    rate: float = 1.0
    decay_from: float = 0.55
    favour: float = 3.0


@dataclass(frozen=True)
class Recipe:
    """What was built, to the last seed. Minutes are processor minutes on one thread."""

    pictures: int = 40_000
    pictures_seed: int = 1
    held_out: int = 2_000
    held_out_seed: int = 2
    softened: int = 4_000
    vae: Training = Training(2700, 11, 8)
    truth: Training = Training(800, 21, warped=True)
    truth_architecture: str = "resnet10t"
    extractors: Mapping[str, Training] = field(
        default_factory=lambda: {
            "resnet18": Training(1000, 22, muon=0),
            "efficientnet_b0": Training(900, 23, muon=0),
            "densenet121": Training(500, 24, muon=0),
        }
    )
    clip: tuple[Training, ...] = (Training(1600, 41, 96), Training(1000, 42, 96), Training(400, 43, 96))
    """Rounds of the CLIP: the first on batches of anything, the others on batches that share colour and background."""
    ancestor: Training = Training(1700, 31, 96)
    continuation: tuple[Round, ...] = (Round(), Round(), Round(), Round(rate=0.2, decay_from=0.0, favour=1.0))
    """What makes a base or a gold of the ancestor: warm restarts, so that new concepts settle beside the old, then a slow end."""
    continuation_batch: int = 96
    base_seed: int = 32
    """Round ``i`` of a continuation has its model's seed plus ``100 · i``, counted from 0."""
    gold_seed: int = 1000
    """Gold N of a family has seed ``gold_seed + 10 · place of the family + N``; the place counts from 2."""
    blank_seed: int = 1000
    """Blank N has seed ``blank_seed + N``."""
    graded_seed: int = 1060
    """Graded model N, counted from 1, has seed ``graded_seed + N``."""
    compiled: bool = True
    """Whether UNets are trained through ``torch.compile``, where a C++ compiler is found: a fifth less time, equal up to rounding."""
    scratch_seed: int = 99
    surrogate: Training = Training(3300, 98, 96)
    """A model of another size, trained from nothing on another, smaller world in which none of the nine concepts is drawn."""
    surrogate_pictures: int = 20_000
    surrogate_pictures_seed: int = 5
    sizes: Mapping[str, Size] = field(default_factory=lambda: {"surrogate": Size((24, 48, 96), width=64, groups=8)})
    """Of denoisers that are not of the base's size, by name."""
    unlearner_seed: int = 7

    @property
    def scratch_steps(self) -> int:
        """Of a gold trained from nothing: as many as ancestor and continuation have together."""
        return self.ancestor.steps + sum(how.steps for how in self.continuation)
