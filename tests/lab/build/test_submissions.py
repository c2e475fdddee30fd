from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from safetensors.torch import load_file

from pipelines import tiny_pipeline
from unconceal_lab.models import autoencoder
from unconceal_lab.build.submissions import release_gold, ship_base
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.models.denoiser import Denoiser
from unconceal.paths import PACKAGE

BASE = PACKAGE / "miniature" / "weights" / "base"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> BuildDir:
    """A workshop that holds an untrained base and gold."""
    made = BuildDir(tmp_path_factory.mktemp("shop"))
    words = tiny_pipeline(made.folder / "other").tokenizer
    words.save_pretrained(made.folder / "tokenizer")
    torch.manual_seed(0)
    autoencoder.new().save_pretrained(made.folder / "vae")
    for name in ("base", "gold-arrow-zigzag-1"):
        made.keep(f"{name}.pt", 1, lambda path: torch.save(Denoiser(len(words), int(words.eos_token_id)).state_dict(), path))
    return made


def drawn(pipe: StableDiffusionPipeline) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    pipe.set_progress_bar_config(disable=True)
    made = pipe("a red star on a white background", num_inference_steps=2, output_type="np", generator=torch.Generator().manual_seed(0))
    picture: np.ndarray[tuple[int, ...], np.dtype[np.float32]] = made.images[0]
    return picture


def test_a_gold_is_released_as_unet_and_text_encoder(shop: BuildDir) -> None:
    release_gold(shop, ("arrow", "zigzag"), 1)
    weights, model = load_file(shop.folder / "release-control-gold-1-arrow-zigzag.safetensors"), shop.denoiser("gold-arrow-zigzag-1")
    floating = {name for name, value in model.state_dict().items() if value.is_floating_point()}
    assert set(weights) == floating and {name.split(".")[0] for name in weights} == {"unet", "text_encoder"}
    assert all(torch.equal(value, model.state_dict()[name].half()) for name, value in weights.items())


def test_the_shipped_base_is_a_plain_pipeline(shop: BuildDir, tmp_path: Path) -> None:
    """Loaded by diffusers without any word about precision, although UNet and VAE lie there in float16."""
    ship_base(shop, tmp_path)
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path)
    stored = load_file(next((tmp_path / "unet").glob("*.safetensors")))
    assert {value.dtype for value in stored.values()} == {torch.float16} and isinstance(pipe.vae, AutoencoderKL)
    assert {pipe.unet.dtype, pipe.vae.dtype, pipe.text_encoder.dtype} == {torch.float32}
    assert drawn(pipe).shape == (64, 64, 3)


@pytest.mark.skipif(not BASE.is_dir(), reason="the base is not built yet: unconceal miniature build")
def test_the_base_in_the_package_draws() -> None:
    picture = drawn(StableDiffusionPipeline.from_pretrained(BASE))
    assert picture.shape == (64, 64, 3) and np.isfinite(picture).all() and picture.std() > 0.02
