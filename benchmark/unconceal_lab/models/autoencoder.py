"""The miniature VAE: 64×64 pictures to 16×16×4 latents of unit variance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray

from unconceal_lab.models.drawings import Pictures
from unconceal_lab.models.optimizer import MuonAdamW
from unconceal_lab.models.training_loop import fit, half_precision


def new() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(16, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=64,
        scaling_factor=1.0,
    )


def to_tensor(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """uint8 (n, h, w, 3) to float32 (n, 3, h, w) in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def train(
    pictures: Pictures, work: Path, steps: int, seed: int, batch: int = 8, say: Callable[[str], None] = print
) -> tuple[AutoencoderKL, float]:
    """A VAE trained on ``pictures`` and the processor minutes it took."""
    torch.manual_seed(seed)
    vae = new()
    optimiser = MuonAdamW(vae, 5e-3, 1.5e-3)

    def loss(rng: np.random.Generator, noise: torch.Generator, step_share: float) -> torch.Tensor:
        x = to_tensor(pictures.pixels[np.sort(rng.integers(len(pictures), size=batch))])
        with half_precision():
            posterior = vae.encode(x).latent_dist
            latent = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=noise)
            back = vae.decode(latent).sample
        difference = back.float() - x
        error: torch.Tensor = difference.abs().mean() + difference.square().mean() + 1e-6 * posterior.kl().mean()
        return error

    minutes = fit("vae", vae, loss, optimiser, steps, seed, work, average=0.995, say=say)
    normalise(vae, to_tensor(pictures.pixels[:800]))
    return vae, minutes


@torch.no_grad()
def normalise(vae: AutoencoderKL, x: torch.Tensor) -> None:
    """Fold the latents' mean and deviation per channel into the quantisation convolutions: unit variance, a plain VAE."""
    latents = vae.encode(x).latent_dist.mean
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    quant, post = vae.quant_conv, vae.post_quant_conv
    post.bias += post.weight[:, :, 0, 0] @ mean
    post.weight *= deviation[None, :, None, None]
    quant.weight[:4] /= deviation[:, None, None, None]
    quant.bias[:4] = (quant.bias[:4] - mean) / deviation
    quant.bias[4:] -= 2 * deviation.log()


@torch.inference_mode()
def encode(vae: AutoencoderKL, pictures: Pictures, batch: int = 64) -> torch.Tensor:
    """Mean latents of every picture, float16 (n, 4, 16, 16)."""
    blocks = [vae.encode(to_tensor(pictures.pixels[i : i + batch])).latent_dist.mean.half() for i in range(0, len(pictures), batch)]
    return torch.cat(blocks)


@torch.inference_mode()
def decode(vae: AutoencoderKL, latents: torch.Tensor, batch: int = 64) -> NDArray[np.uint8]:
    """Pictures uint8 (n, 64, 64, 3) of latents (n, 4, 16, 16)."""
    blocks = [vae.decode(part).sample.clamp(-1, 1).add(1).mul(127.5).round().byte() for part in torch.split(latents, batch)]
    return torch.cat(blocks).permute(0, 2, 3, 1).numpy()
