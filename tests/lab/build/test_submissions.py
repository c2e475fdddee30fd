from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from safetensors.torch import load_file

from pipelines import tiny_pipeline
from unconceal.paths import PACKAGE
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.submissions import release_gold, ship_base
from unconceal_lab.models import autoencoder
from unconceal_lab.models.denoiser import Denoiser

BASE = PACKAGE / "miniature" / "weights" / "base"


@pytest.fixture(scope="module")
def build_dir(tmp_path_factory: pytest.TempPathFactory) -> BuildDir:
    """A build folder with an untrained base and gold."""
    built = BuildDir(tmp_path_factory.mktemp("shop"))
    tokenizer = tiny_pipeline(built.folder / "other").tokenizer
    tokenizer.save_pretrained(built.folder / "tokenizer")
    torch.manual_seed(0)
    autoencoder.new_autoencoder().save_pretrained(built.folder / "vae")
    for name in ("base", "gold-arrow-zigzag-1"):
        built.save(f"{name}.pt", 1, lambda path: torch.save(Denoiser(len(tokenizer), int(tokenizer.eos_token_id)).state_dict(), path))
    return built


def generated(pipeline: StableDiffusionPipeline) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    pipeline.set_progress_bar_config(disable=True)
    built = pipeline(
        "a red star on a white background", num_inference_steps=2, output_type="np", generator=torch.Generator().manual_seed(0)
    )
    image: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = built.images[0]
    return image


def test_a_gold_is_released_as_unet_and_text_encoder(build_dir: BuildDir) -> None:
    release_gold(build_dir, ("arrow", "zigzag"), 1)
    weights, model = (
        load_file(build_dir.folder / "release-control-gold-1-arrow-zigzag.safetensors"),
        build_dir.denoiser("gold-arrow-zigzag-1"),
    )
    floating = {name for name, value in model.state_dict().items() if value.is_floating_point()}
    assert set(weights) == floating and {name.split(".")[0] for name in weights} == {"unet", "text_encoder"}
    assert all(torch.equal(value, model.state_dict()[name].half()) for name, value in weights.items())


def test_the_shipped_base_is_a_plain_pipeline(build_dir: BuildDir, tmp_path: Path) -> None:
    """Loaded by diffusers without any word about precision, although UNet and VAE lie there in float16."""
    ship_base(build_dir, tmp_path)
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path)
    stored = load_file(next((tmp_path / "unet").glob("*.safetensors")))
    assert {value.dtype for value in stored.values()} == {torch.float16} and isinstance(pipeline.vae, AutoencoderKL)
    assert {pipeline.unet.dtype, pipeline.vae.dtype, pipeline.text_encoder.dtype} == {torch.float32}
    assert generated(pipeline).shape == (64, 64, 3)


@pytest.mark.skipif(not BASE.is_dir(), reason="the base is not built yet: python -m unconceal_lab build")
def test_the_base_in_the_package_draws() -> None:
    image = generated(StableDiffusionPipeline.from_pretrained(BASE))
    assert image.shape == (64, 64, 3) and np.isfinite(image).all() and image.std() > 0.02
