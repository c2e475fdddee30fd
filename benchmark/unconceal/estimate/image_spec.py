"""What a picture and a denoiser row of a suite weigh, before anything is loaded or made (torch only where a local base is counted)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unconceal.diffusion.families.bases import BASES
from unconceal.generate.identity import Shard
from unconceal.paths import DataRoot, resolve_path
from unconceal.specs.suite import Suite


@dataclass(frozen=True)
class ImageSpec:
    """``pixels`` on a side of a picture, ``latents``: numbers that stand for one; ``teraflop`` of one row, None: not known."""

    pixels: int
    latents: int
    teraflop: float | None

    @property
    def image_bytes(self) -> int:
        return self.pixels * self.pixels * 3

    @property
    def latent_bytes(self) -> int:
        """Kept in float32."""
        return 4 * self.latents


def image_spec_of(suite: Suite, root: DataRoot) -> ImageSpec:
    """From the table of bases, or from the settings of a base on this machine."""
    base = next((base for base in BASES if base.repo == suite.base.repo), None)
    if base is not None:
        pixels = suite.sampler.image_size or base.pixels
        share = (pixels / base.pixels) ** 2
        return ImageSpec(pixels, round(base.latents * share), base.teraflop * share)
    folder = resolve_path(suite.base.path, root)
    vae, unet = component_config(folder / "vae"), component_config(folder / "unet")
    scale = 2 ** (len(vae.get("block_out_channels", [0] * 4)) - 1)
    pixels = suite.sampler.image_size or unet.get("sample_size", 64) * scale
    return ImageSpec(pixels, vae.get("latent_channels", 4) * (pixels // scale) ** 2, _teraflop(unet, pixels // scale))


def component_config(part: Path) -> dict[str, Any]:
    """The config of a component; empty where there is none."""
    file = part / "config.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return found


def _teraflop(unet: dict[str, Any], side: int) -> float | None:
    if unet.get("_class_name") != "UNet2DConditionModel" or unet.get("addition_embed_type"):
        return None
    from unconceal.diffusion.flops import denoiser_flops

    return denoiser_flops(unet, side) / 1e12


def images_in(shard: Shard) -> int:
    """Pictures that a shard keeps: θ's own and its x̂0s, or one for each branch."""
    each = 1 + sum(k > 0 for k in shard.handovers) if shard.checkpoint is None else len(shard.arms) * len(shard.handovers)
    return len(shard.images) * each


def bytes_in(shard: Shard, canvas: ImageSpec) -> int:
    """On the disk, uncompressed as they are kept."""
    latents = len(shard.images) * len(shard.handovers) * canvas.latent_bytes if shard.checkpoint is None else 0
    return latents + images_in(shard) * canvas.image_bytes
