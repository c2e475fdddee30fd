"""The identity of generated pictures: everything that determines their bytes, and nothing else (no torch)."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from unconceal.specs.digests import canonical_digest
from unconceal.specs.suite import FamilyName

GENERATOR_VERSION = 1
"""Raised whenever a change of the sampler's code changes its bytes."""


@dataclass(frozen=True)
class ComputeConfig:
    """How work is cut up. Equal bytes are promised within one layout; across layouts, agreement within a tolerance."""

    device: str
    """Device class: ``cpu``, or the accelerator's name."""
    dtype: str
    threads: int
    batch: int
    """Most rows in one UNet call."""
    shard: int
    """Most pictures (prompt, seed) that are generated together."""
    options: tuple[str, ...] = ()
    """What was changed for speed and may change the last digits, by name; left out of the identity where nothing was."""

    def fields(self) -> dict[str, Any]:
        said = asdict(self)
        return said if self.options else {name: value for name, value in said.items() if name != "options"}


@dataclass(frozen=True)
class Sampling:
    """The deterministic sampler of a suite. ``shift``, ``size``: left out of the identity where the suite leaves them to the model."""

    scheduler: str
    steps: int
    guidance: float
    shift: float | None = None
    size: int | None = None


@dataclass(frozen=True)
class ImageKey:
    """One member of a shard."""

    prompt: str
    seed: int


@dataclass(frozen=True)
class Shard:
    """What one call of the sampler makes: fixed members, fixed handovers, fixed arms.

    ``checkpoint`` is None for θ's own trajectory; otherwise the digest of the unlearned checkpoint that finishes it.
    """

    base: str
    checkpoint: str | None
    family: FamilyName
    sampling: Sampling
    handovers: tuple[int, ...]
    arms: tuple[str, ...]
    pictures: tuple[ImageKey, ...]
    layout: ComputeConfig

    def fields(self) -> dict[str, Any]:
        sampling = {name: value for name, value in asdict(self.sampling).items() if value is not None}
        return {**asdict(self), "sampling": sampling, "layout": self.layout.fields(), "generator": GENERATOR_VERSION}

    @property
    def model(self) -> str:
        """Digest of the model that finishes its pictures."""
        return self.checkpoint or self.base

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON (RFC 8785) of every field."""
        return canonical_digest(self.fields())


def image_seed(start: int, prompt: str, number: int) -> int:
    """Seed of a block's ``number``-th picture of a prompt: below 2**40, other for other prompts, never by position.

    Blocks that start at other numbers below 10,000 stay disjoint: the prompt only changes the multiple of 10,000.
    """
    return int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:3]) * 10_000 + start + number
