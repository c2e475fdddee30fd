from __future__ import annotations

import numpy as np
import pytest

from pipelines import tiny_pipeline
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.handover import run_original
from unconceal.diffusion.model import Model
from unconceal.miniature.captions import mentions
from unconceal.miniature.scene import Scene
from unconceal_lab.build import sample_images


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return StableDiffusion(tiny_pipeline(tmp_path_factory.mktemp("pipe")), 3, 5.0)


def test_pictures_come_in_the_order_of_the_prompts(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_images, "N_STEPS", 3)
    monkeypatch.setattr(sample_images, "BATCH_SIZE", 2)
    prompts, seeds = ["a star", "a ring", "zara"], [5, 6, 7]
    generated = sample_images.generate_images(model, prompts, seeds, clean_at=(1,))
    run = run_original(model, prompts, seeds, (1, 3))
    assert generated.pixels.shape == generated.clean[1].shape == (3, 64, 64, 3)
    assert np.abs(generated.pixels.astype(int) - model.decode(run.latents[3])).max() <= 1
    assert np.abs(generated.clean[1].astype(int) - model.decode(run.clean_latents[1])).max() <= 1


def test_full_captions_name_every_attribute() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        text = sample_images.full_caption(Scene("gray", 32, 32, 20, shape="star", style="dotted", colour="red"), rng)
        assert mentions(text, ("star",)) and mentions(text, ("dotted",)) and "red" in text and "gray background" in text
