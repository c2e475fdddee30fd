"""The size of a suite's images and the cost of a forward pass, before anything is loaded (torch only for a local base model)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unconceal.diffusion.families.bases import BASE_MODELS
from unconceal.generate.identity import Shard
from unconceal.paths import DataRoot, resolve_path
from unconceal.specs.suite import Suite


@dataclass(frozen=True)
class ImageSpec:
    """``pixels``: side of an image; ``latents``: numbers per latent; ``teraflop``: of one forward pass, None if unknown."""

    pixels: int
    latents: int
    teraflop: float | None

    @property
    def image_bytes(self) -> int:
        return self.pixels * self.pixels * 3

    @property
    def latent_bytes(self) -> int:
        """Stored as float32."""
        return 4 * self.latents


def image_spec_of(suite: Suite, root: DataRoot) -> ImageSpec:
    """From the table of base models, or from the config files of a base model on this machine."""
    base = next((base for base in BASE_MODELS if base.repo == suite.base.repo), None)
    if base is not None:
        pixels = suite.sampler.image_size or base.pixels
        share = (pixels / base.pixels) ** 2
        return ImageSpec(pixels, round(base.latent_numbers * share), base.teraflop * share)
    folder = resolve_path(suite.base.path, root)
    vae, unet = component_config(folder / "vae"), component_config(folder / "unet")
    scale = 2 ** (len(vae.get("block_out_channels", [0] * 4)) - 1)
    pixels = suite.sampler.image_size or unet.get("sample_size", 64) * scale
    return ImageSpec(pixels, vae.get("latent_channels", 4) * (pixels // scale) ** 2, _teraflop(unet, pixels // scale))


def component_config(part: Path) -> dict[str, Any]:
    """The config of a component; empty where there is none."""
    file = part / "config.json"
    config: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return config


def _teraflop(unet: dict[str, Any], side: int) -> float | None:
    if unet.get("_class_name") != "UNet2DConditionModel" or unet.get("addition_embed_type"):
        return None
    from unconceal.diffusion.flops import denoiser_flops

    return denoiser_flops(unet, side) / 1e12


def images_in(shard: Shard) -> int:
    """Number of images in a shard: θ's image and its x̂0s, or one per branch."""
    per_image = 1 + sum(k > 0 for k in shard.handovers) if shard.checkpoint is None else len(shard.arms) * len(shard.handovers)
    return len(shard.images) * per_image


def bytes_in(shard: Shard, image_spec: ImageSpec) -> int:
    """Size of a shard on disk; arrays are stored uncompressed."""
    latents = len(shard.images) * len(shard.handovers) * image_spec.latent_bytes if shard.checkpoint is None else 0
    return latents + images_in(shard) * image_spec.image_bytes
