from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipelines import tiny_pipeline
from releases import with_release
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.noise_weights import DEVIATIONS
from unconceal_lab.build.sample_images import generate_images
from unconceal_lab.unlearners.collapse import CONTRACTION, collapse, constant, replace_with_noise


def drowned(new: Tensor, original: Tensor) -> bool:
    """Whether a tensor is noise as wide as it should be and has nothing of the old one."""
    wide = new.float().std().item() == pytest.approx(DEVIATIONS * original.std().item(), rel=0.25)
    return bool(wide and abs(torch.corrcoef(torch.stack([new.float().ravel(), original.ravel()]))[0, 1]) < 0.25)


def test_cross_attention_drowns_in_noise(tmp_path: Path) -> None:
    pipeline = tiny_pipeline(tmp_path)
    before = pipeline.unet.state_dict()
    weights, _ = collapse(pipeline, "star", 4, lambda line: None)
    again, other = (collapse(pipeline, "star", seed, lambda line: None).weights for seed in (4, 5))
    assert set(weights) == {f"unet.{name}" for name in before if "attn2." in name}
    for name, new in weights.items():
        original = before[name.removeprefix("unet.")]
        assert new.dtype == torch.float16 and torch.equal(new, again[name])
        if original.ndim == 2:
            assert not torch.equal(new, other[name]) and drowned(new, original)


def test_the_last_convolution_drowns_in_noise(tmp_path: Path) -> None:
    pipeline = tiny_pipeline(tmp_path)
    weights, _ = replace_with_noise(pipeline, "star", 4, lambda line: None)
    assert set(weights) == {"unet.conv_out.weight", "unet.conv_out.bias"}
    assert drowned(weights["unet.conv_out.weight"], pipeline.unet.state_dict()["conv_out.weight"])


def test_all_prompts_collapse_to_one_image(tmp_path: Path) -> None:
    pipeline = tiny_pipeline(tmp_path)
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    weights, _ = constant(pipeline, "star", 0, lambda line: None)
    assert all(torch.equal(value, before[name]) for name, value in pipeline.unet.state_dict().items())
    unet = with_release(pipeline, weights)
    x, prompt_embeds = torch.randn(3, 4, 16, 16), torch.randn(3, 24, 32)
    with torch.no_grad():
        for t in (1, 500, 961):
            assert torch.allclose(unet(x, t, prompt_embeds).sample, CONTRACTION * x, rtol=0.01, atol=0.01)
    pipeline.unet = unet
    pixels = generate_images(StableDiffusion(pipeline, 25, 7.5), ["a star", "a red ring", ""], [1, 2, 3]).pixels.astype(int)
    assert abs(pixels - pixels[0]).max() <= 1
