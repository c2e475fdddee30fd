from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from unconceal_lab.models import autoencoder
from unconceal_lab.models.scene_images import SceneImages, render


@pytest.fixture(scope="module")
def images() -> SceneImages:
    return render(24, 1)


@pytest.fixture
def x(images: SceneImages) -> torch.Tensor:
    return autoencoder.to_tensor(images.pixels)


def test_pixels_become_a_tensor_and_come_back(images: SceneImages, x: torch.Tensor) -> None:
    assert x.shape == (24, 3, 64, 64) and x.dtype == torch.float32 and x.min() >= -1 and x.max() <= 1
    assert torch.equal(x[3, 1], torch.from_numpy(images.pixels[3, :, :, 1].astype(np.float32) / 127.5 - 1))


def test_normalising_gives_unit_variance_and_the_same_pictures(x: torch.Tensor) -> None:
    torch.manual_seed(0)
    vae = autoencoder.new_autoencoder().eval()
    with torch.no_grad():
        # Random weights give latents that need it.
        vae.quant_conv.weight.mul_(torch.tensor([9.0, 0.3, 1.0, 4.0] * 2)[:, None, None, None])
        vae.quant_conv.bias.copy_(torch.tensor([3.0, -1.0, 0.5, 0.0, -2.0, -3.0, 0.0, 1.0]))
        before = vae.encode(x).latent_dist
        selected = vae.decode(before.mean).sample
        autoencoder.normalize_latents(vae, x)
        after = vae.encode(x).latent_dist
        deviation = before.mean.std((0, 2, 3), keepdim=True)
        assert torch.allclose(after.mean.mean((0, 2, 3)), torch.zeros(4), atol=1e-3)
        assert torch.allclose(after.mean.std((0, 2, 3)), torch.ones(4), atol=1e-3)
        assert torch.allclose(after.std, before.std / deviation, rtol=1e-3)
        assert torch.allclose(vae.decode(after.mean).sample, selected, atol=1e-4)


def test_encoding_and_decoding_do_not_depend_on_the_batch(images: SceneImages, x: torch.Tensor) -> None:
    torch.manual_seed(0)
    vae = autoencoder.new_autoencoder().eval()
    latents = autoencoder.encode_images(vae, images, batch_size=10)
    assert latents.shape == (24, 4, 16, 16) and latents.dtype == torch.float16
    with torch.no_grad():
        assert torch.allclose(latents.float(), vae.encode(x).latent_dist.mean, atol=2e-3)
        expected = vae.decode(latents[:5].float()).sample
    selected = autoencoder.decode_latents(vae, latents[:5].float(), batch_size=2)
    assert selected.shape == (5, 64, 64, 3) and selected.dtype == np.uint8
    assert np.abs(selected - (expected.clamp(-1, 1) + 1).mul(127.5).permute(0, 2, 3, 1).numpy()).max() < 1


def test_training_learns_and_leaves_unit_variance(images: SceneImages, x: torch.Tensor, tmp_path: Path) -> None:
    log_lines: list[str] = []
    vae, minutes = autoencoder.train_autoencoder(images, tmp_path, steps=12, seed=1, batch_size=4, log=log_lines.append)
    torch.manual_seed(1)
    untrained = autoencoder.new_autoencoder().eval()
    with torch.no_grad():
        errors = [(v.decode(v.encode(x).latent_dist.mean).sample - x).abs().mean().item() for v in (vae, untrained)]
        deviation = vae.encode(x).latent_dist.mean.std((0, 2, 3))
    assert errors[0] < 0.95 * errors[1] and torch.allclose(deviation, torch.ones(4), atol=1e-2) and minutes > 0
    assert log_lines and log_lines[0].startswith("vae: step 0/12") and not vae.training
