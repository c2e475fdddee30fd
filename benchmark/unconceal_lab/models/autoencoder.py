"""The miniature VAE: 64×64 images to 16×16×4 latents of unit variance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray

from unconceal_lab.models.optimizer import MuonAdamW
from unconceal_lab.models.scene_images import SceneImages
from unconceal_lab.models.training_loop import bfloat16_autocast, fit


def new_autoencoder() -> AutoencoderKL:
    """A randomly initialised VAE."""
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
    """uint8 pixels (n, h, w, 3) to float32 (n, 3, h, w) in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def train_autoencoder(
    images: SceneImages, work_dir: Path, steps: int, seed: int, batch_size: int = 8, log: Callable[[str], None] = print
) -> tuple[AutoencoderKL, float]:
    """Train a VAE and normalise its latents.

    Args:
        images: training images.
        work_dir: where the training saves its state and resumes.
        steps: number of optimizer steps.
        seed: seed of weights, batches and noise.
        batch_size: images per step.
        log: receives one line per report.

    Returns:
        The VAE in evaluation mode and the processor minutes of the training.
    """
    torch.manual_seed(seed)
    vae = new_autoencoder()
    optimizer = MuonAdamW(vae, 5e-3, 1.5e-3)

    def loss(rng: np.random.Generator, noise: torch.Generator, progress: float) -> torch.Tensor:
        x = to_tensor(images.pixels[np.sort(rng.integers(len(images), size=batch_size))])
        with bfloat16_autocast():
            posterior = vae.encode(x).latent_dist
            latent = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=noise)
            reconstruction = vae.decode(latent).sample
        difference = reconstruction.float() - x
        error: torch.Tensor = difference.abs().mean() + difference.square().mean() + 1e-6 * posterior.kl().mean()
        return error

    minutes = fit("vae", vae, loss, optimizer, steps, seed, work_dir, average=0.995, log=log)
    normalize_latents(vae, to_tensor(images.pixels[:800]))
    return vae, minutes


@torch.no_grad()
def normalize_latents(vae: AutoencoderKL, x: torch.Tensor) -> None:
    """Fold mean and standard deviation of each latent channel into the quantization convolutions, in place.

    The result is a plain VAE whose latents have zero mean and unit variance on ``x`` (n, 3, h, w).
    """
    latents = vae.encode(x).latent_dist.mean
    mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    quant, post = vae.quant_conv, vae.post_quant_conv
    post.bias += post.weight[:, :, 0, 0] @ mean
    post.weight *= deviation[None, :, None, None]
    quant.weight[:4] /= deviation[:, None, None, None]
    quant.bias[:4] = (quant.bias[:4] - mean) / deviation
    quant.bias[4:] -= 2 * deviation.log()


@torch.inference_mode()
def encode_images(vae: AutoencoderKL, images: SceneImages, batch_size: int = 64) -> torch.Tensor:
    """Mean latents of every image, float16 (n, 4, 16, 16)."""
    blocks = [vae.encode(to_tensor(images.pixels[i : i + batch_size])).latent_dist.mean.half() for i in range(0, len(images), batch_size)]
    return torch.cat(blocks)


@torch.inference_mode()
def decode_latents(vae: AutoencoderKL, latents: torch.Tensor, batch_size: int = 64) -> NDArray[np.uint8]:
    """Images uint8 (n, 64, 64, 3) of latents (n, 4, 16, 16)."""
    blocks = [vae.decode(part).sample.clamp(-1, 1).add(1).mul(127.5).round().byte() for part in torch.split(latents, batch_size)]
    return torch.cat(blocks).permute(0, 2, 3, 1).numpy()
