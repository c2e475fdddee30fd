"""The identity of generated images: everything that determines their bytes, and nothing else (no torch)."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from unconceal.specs.digests import canonical_digest
from unconceal.specs.suite import FamilyName

GENERATOR_VERSION = 2
"""Raised whenever a change of the sampler's code changes its bytes."""

RESTARTED_PNDM = "pndm-restarted"
"""Name of the solver of protocol ``paper``, which evaluates one step twice."""


@dataclass(frozen=True)
class ComputeConfig:
    """How generation is split up. Bytes are equal within one configuration; across configurations they agree within a tolerance."""

    device: str
    """Device class: ``cpu``, or the accelerator's name."""
    dtype: str
    threads: int
    batch_size: int
    """Maximum number of latents in one call of the denoiser."""
    shard_size: int
    """Maximum number of images (prompt, seed) that are generated together."""
    optimizations: tuple[str, ...] = ()
    """Optimizations that may change the last digits, by name; part of the identity only if there are any."""

    def identity(self) -> dict[str, Any]:
        """The configuration as JSON; the keys are those of every existing store."""
        values = {"device": self.device, "dtype": self.dtype, "threads": self.threads, "batch": self.batch_size, "shard": self.shard_size}
        return values | ({"options": self.optimizations} if self.optimizations else {})

    @classmethod
    def from_identity(cls, values: dict[str, Any]) -> ComputeConfig:
        """The inverse of :meth:`identity`."""
        sizes = {"batch_size": values["batch"], "shard_size": values["shard"]}
        others = {name: values[name] for name in ("device", "dtype", "threads")}
        return cls(**others, **sizes, optimizations=tuple(values.get("options", ())))


@dataclass(frozen=True)
class Sampling:
    """The deterministic sampler of a suite. ``shift`` and ``image_size`` are part of the identity only where the suite sets them."""

    scheduler: str
    num_inference_steps: int
    guidance_scale: float
    shift: float | None = None
    image_size: int | None = None

    @property
    def n_evaluations(self) -> int:
        """Predictions that one image from noise takes."""
        return self.num_inference_steps + (self.scheduler == RESTARTED_PNDM)

    def identity(self) -> dict[str, Any]:
        """The sampler as JSON; the keys are those of every existing store."""
        optional = {"shift": self.shift, "size": self.image_size}
        values = {"scheduler": self.scheduler, "steps": self.num_inference_steps, "guidance": self.guidance_scale}
        return values | {name: value for name, value in optional.items() if value is not None}

    @classmethod
    def from_identity(cls, values: dict[str, Any]) -> Sampling:
        """The inverse of :meth:`identity`."""
        return cls(values["scheduler"], values["steps"], values["guidance"], values.get("shift"), values.get("size"))


@dataclass(frozen=True)
class ImageKey:
    """One image of a shard."""

    prompt: str
    seed: int


@dataclass(frozen=True)
class Shard:
    """The images of one call of the sampler: fixed images, handover steps and arms.

    ``checkpoint`` is None for θ's own trajectory; otherwise the digest of the model that continues it: a checkpoint, or θ itself.
    """

    base: str
    checkpoint: str | None
    family: FamilyName
    sampling: Sampling
    handovers: tuple[int, ...]
    arms: tuple[str, ...]
    images: tuple[ImageKey, ...]
    compute: ComputeConfig

    def identity(self) -> dict[str, Any]:
        """Every field as JSON; the keys are those of every existing store."""
        return {
            "base": self.base,
            "checkpoint": self.checkpoint,
            "family": self.family,
            "sampling": self.sampling.identity(),
            "handovers": self.handovers,
            "arms": self.arms,
            "pictures": tuple(asdict(image) for image in self.images),
            "layout": self.compute.identity(),
            "generator": GENERATOR_VERSION,
        }

    @classmethod
    def from_identity(cls, values: dict[str, Any]) -> Shard:
        """The inverse of :meth:`identity`, whichever version of the generator wrote it."""
        return cls(
            base=values["base"],
            checkpoint=values["checkpoint"],
            family=values["family"],
            sampling=Sampling.from_identity(values["sampling"]),
            handovers=tuple(values["handovers"]),
            arms=tuple(values["arms"]),
            images=tuple(ImageKey(**image) for image in values["pictures"]),
            compute=ComputeConfig.from_identity(values["layout"]),
        )

    @property
    def model(self) -> str:
        """Digest of the model that finishes its images."""
        return self.checkpoint or self.base

    @property
    def is_originals(self) -> bool:
        """Whether θ generates it, so that all submissions share it."""
        return self.model == self.base

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON (RFC 8785) of :meth:`identity`."""
        return canonical_digest(self.identity())


@dataclass(frozen=True)
class ProbeShard:
    """All images of one probe of the battery on one model.

    Attributes:
        checkpoint: digest of the model that is probed; the base's own for θ.
        probe: name of the probe; ``settings``: digest of its settings.
        inputs: digest of task, prompts and judge, which choose the images that the probe works from.
    """

    base: str
    checkpoint: str
    family: FamilyName
    sampling: Sampling
    probe: str
    settings: str
    inputs: str
    compute: ComputeConfig

    def identity(self) -> dict[str, Any]:
        """Every field as JSON."""
        values = {name: getattr(self, name) for name in ("base", "checkpoint", "family", "probe", "settings", "inputs")}
        nested = {"sampling": self.sampling.identity(), "layout": self.compute.identity()}
        return {**values, **nested, "generator": GENERATOR_VERSION}

    @classmethod
    def from_identity(cls, values: dict[str, Any]) -> ProbeShard:
        """The inverse of :meth:`identity`."""
        return cls(
            base=values["base"],
            checkpoint=values["checkpoint"],
            family=values["family"],
            sampling=Sampling.from_identity(values["sampling"]),
            probe=values["probe"],
            settings=values["settings"],
            inputs=values["inputs"],
            compute=ComputeConfig.from_identity(values["layout"]),
        )

    @property
    def model(self) -> str:
        """Digest of the model that is probed."""
        return self.checkpoint

    @property
    def images(self) -> tuple[ImageKey, ...]:
        """A probe chooses its images itself, so none are named here."""
        return ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON (RFC 8785) of :meth:`identity`."""
        return canonical_digest(self.identity())


StoreKey = Shard | ProbeShard
"""What the store keeps."""


def image_seed(start: int, prompt: str, index: int) -> int:
    """Seed of the ``index``-th image of a prompt; it depends on the prompt's text, never on its position.

    Args:
        start: first seed of the block, below 10,000. Blocks with different starts stay disjoint.
        prompt: the prompt's text; it decides the multiple of 10,000.
        index: number of the image within the prompt and block.

    Returns:
        A seed below 2**40.
    """
    return int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:3]) * 10_000 + start + index
