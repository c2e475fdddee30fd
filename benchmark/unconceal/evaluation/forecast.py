"""What an evaluation would take, before anything is loaded or made (no torch)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unconceal.diffusion.families.bases import BASES
from unconceal.generate.identity import Shard
from unconceal.generate.worker import rows_of
from unconceal.paths import DataRoot, resolve_path
from unconceal.specs.suite import Suite

EXPECTED_TFLOPS = 300.0
"""Of an H100-class card in bfloat16, TFLOP/s: about a third of the dense peak that its maker states. Assumed, not measured."""


@dataclass(frozen=True)
class Canvas:
    """``pixels`` on a side of a picture, ``latents``: numbers that stand for one; ``teraflop`` of one row, None: not known."""

    pixels: int
    latents: int
    teraflop: float | None

    @property
    def picture_bytes(self) -> int:
        return self.pixels * self.pixels * 3

    @property
    def latent_bytes(self) -> int:
        """Kept in float32."""
        return 4 * self.latents


def canvas_of(suite: Suite, root: DataRoot) -> Canvas:
    """From the table of bases, or from the settings of a base on this machine."""
    base = next((base for base in BASES if base.repo == suite.base.repo), None)
    if base is not None:
        pixels = suite.sampler.size or base.pixels
        share = (pixels / base.pixels) ** 2
        return Canvas(pixels, round(base.latents * share), base.teraflop * share)
    folder = resolve_path(suite.base.path, root)
    vae, side = _settings(folder / "vae"), _settings(folder / "unet").get("sample_size", 64)
    scale = 2 ** (len(vae.get("block_out_channels", [0] * 4)) - 1)
    pixels = suite.sampler.size or side * scale
    return Canvas(pixels, vae.get("latent_channels", 4) * (pixels // scale) ** 2, None)


def _settings(part: Path) -> dict[str, Any]:
    file = part / "config.json"
    found: dict[str, Any] = json.loads(file.read_text()) if file.is_file() else {}
    return found


def pictures_of(shard: Shard) -> int:
    """Pictures that a shard keeps: θ's own and its x̂0s, or one for each branch."""
    each = 1 + sum(k > 0 for k in shard.handovers) if shard.checkpoint is None else len(shard.arms) * len(shard.handovers)
    return len(shard.pictures) * each


def bytes_of(shard: Shard, canvas: Canvas) -> int:
    """On the disk, uncompressed as they are kept."""
    latents = len(shard.pictures) * len(shard.handovers) * canvas.latent_bytes if shard.checkpoint is None else 0
    return latents + pictures_of(shard) * canvas.picture_bytes


def needs(left: Iterable[Shard], canvas: Canvas) -> dict[str, object]:
    """Pictures, denoiser rows, megabytes and expected minutes of what is left."""
    shards = list(left)
    rows = sum(map(rows_of, shards))
    minutes = None if canvas.teraflop is None else round(rows * canvas.teraflop / EXPECTED_TFLOPS / 60, 1)
    return {
        "pictures left": sum(map(pictures_of, shards)),
        "UNet rows left": rows,
        "disk left (MB)": round(sum(bytes_of(shard, canvas) for shard in shards) / 1e6, 1),
        "H100 minutes (expected)": minutes,
    }
