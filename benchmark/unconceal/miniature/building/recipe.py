"""Every number of the build. Changing one makes other models, hence a new suite version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TASKS: Mapping[str, str] = {"star": "object", "striped": "art-style"}
"""Concept to category."""
GOLDS = (1, 2, 3)


@dataclass(frozen=True)
class Training:
    """Steps, seed and batch of one training; ``muon`` 0: AdamW alone."""

    steps: int
    seed: int
    batch: int = 64
    muon: float = 5e-3
    softened: bool = True
    """Whether pictures after a VAE round trip are trained on as well."""


@dataclass(frozen=True)
class Recipe:
    """What was built, to the last seed. Minutes are processor minutes on one thread."""

    pictures: int = 40_000
    pictures_seed: int = 1
    held_out: int = 2_000
    held_out_seed: int = 2
    softened: int = 4_000
    vae: Training = Training(2700, 11, 8)
    truth: Training = Training(480, 21)
    truth_architecture: str = "resnet10t"
    extractors: Mapping[str, Training] = field(
        default_factory=lambda: {
            "resnet18": Training(1000, 22, muon=0),
            "efficientnet_b0": Training(220, 23),
            "densenet121": Training(180, 24),
        }
    )
    clip: Training = Training(400, 41, 96)
    ancestor: Training = Training(1700, 31, 96)
    continuation: Training = Training(400, 32, 96)
    rounds: int = 3
    """Rounds of a continuation, each of ``continuation.steps``."""
    early_share: float = 0.5
    """Share of a continuation in which concepts new to the ancestor are shown ``early_times`` as often; then the natural mix."""
    early_times: float = 3.0
    gold_seed: int = 1000
    """Golds continue with seed ``gold_seed + 10 · place of the task + N``."""
    scratch_seed: int = 99
    unlearner_seed: int = 7
