from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from torch import nn
from transformers import CLIPTokenizer

from pipelines import tiny_pipeline
from unconceal_lab.build.recipe import BuildRecipe
from unconceal_lab.models import denoiser
from unconceal_lab.models.denoiser import Denoiser, DenoiserSize, sampling_weights
from unconceal_lab.models.scene_images import SceneImages, render


@pytest.fixture(scope="module")
def images() -> SceneImages:
    return render(40, 4)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("pipe"))


def new(tokenizer: CLIPTokenizer) -> Denoiser:
    torch.manual_seed(1)
    return Denoiser(len(tokenizer), int(tokenizer.eos_token_id))


def test_new_concepts_count_more(images: SceneImages) -> None:
    rows = images.excluding(("red",))
    weights = sampling_weights(images, rows, ("striped", "star"), 3.0)
    selected = np.array([bool(images.scenes[row].concepts & {"striped", "star"}) for row in rows])
    assert weights.shape == rows.shape and np.isclose(weights.sum(), 1) and selected.any()
    assert np.allclose(weights[selected], 3 * weights[~selected][0]) and np.allclose(
        weights[~selected], 1 / (len(rows) + 2 * selected.sum())
    )


def test_training_moves_unet_and_text_encoder(images: SceneImages, pipeline: StableDiffusionPipeline, tmp_path: Path) -> None:
    model, log_lines = new(pipeline.tokenizer), list[str]()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    latents = torch.randn(40, 4, 16, 16, generator=torch.Generator().manual_seed(0)).half()
    rows = images.excluding(("star",))
    minutes = denoiser.train_denoiser(
        "net",
        model,
        pipeline.tokenizer,
        images,
        latents,
        rows,
        3,
        1,
        tmp_path,
        batch_size=4,
        early_weights=sampling_weights(images, rows, ("striped",), 3.0),
        early_fraction=0.5,
        log=log_lines.append,
    )
    change = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in change} == {"unet", "text_encoder"} and minutes > 0
    assert any("token_embedding" in name for name in change) and log_lines[-1].startswith("net: step 2/3")


def test_a_compiled_unet_trains_the_model_itself(
    images: SceneImages, pipeline: StableDiffusionPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[nn.Module] = []

    def noted(unet: nn.Module) -> nn.Module:
        compiled.append(unet)
        return unet

    monkeypatch.setattr(denoiser, "compile_module", noted)
    models = [new(pipeline.tokenizer), new(pipeline.tokenizer)]
    models[1].load_state_dict(models[0].state_dict())
    latents = torch.zeros(40, 4, 16, 16)
    for model, compile_unet in zip(models, (False, True), strict=True):
        denoiser.train_denoiser(
            "net", model, pipeline.tokenizer, images, latents, images.excluding(()), 2, 1, tmp_path, batch_size=4, compile_unet=compile_unet
        )
    assert compiled == [models[1].unet]
    assert all(torch.equal(value, models[1].state_dict()[name]) for name, value in models[0].state_dict().items())


def test_only_the_given_rows_are_seen(images: SceneImages, pipeline: StableDiffusionPipeline, tmp_path: Path) -> None:
    """Latents of all other images are NaN, which would spread to every weight."""
    rows = images.excluding(("flat", "striped", "zara"))
    latents = torch.full((40, 4, 16, 16), float("nan"))
    latents[torch.from_numpy(rows)] = 0
    model = new(pipeline.tokenizer)
    for weights in (None, sampling_weights(images, rows, ("star",), 3.0)):
        denoiser.train_denoiser(
            "net",
            model,
            pipeline.tokenizer,
            images,
            latents,
            rows,
            2,
            1,
            tmp_path,
            batch_size=8,
            early_weights=weights,
            early_fraction=1.0,
            log=lambda line: None,
        )
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_the_pipeline_is_a_standard_stable_diffusion_pipeline(pipeline: StableDiffusionPipeline, tmp_path: Path) -> None:
    """Saved, loaded by diffusers alone, and drawing; what is trained on is what the pipeline feeds its UNet."""
    model = new(pipeline.tokenizer).eval()
    rendered = denoiser.to_pipeline(model, pipeline.vae, pipeline.tokenizer)
    rendered.save_pretrained(tmp_path)
    loaded = StableDiffusionPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    assert isinstance(loaded.vae, AutoencoderKL)
    image = loaded("a red star", num_inference_steps=2, output_type="np", generator=torch.Generator().manual_seed(0)).images[0]
    assert image.shape == (64, 64, 3) and np.isfinite(image).all()
    ids = pipeline.tokenizer(["a star"], padding="max_length", truncation=True, return_tensors="pt").input_ids
    with torch.no_grad():
        assert torch.allclose(loaded.encode_prompt("a star", "cpu", 1, False)[0], model.text_encoder(ids).last_hidden_state, atol=1e-5)


@pytest.mark.parametrize("size", [DenoiserSize(), *BuildRecipe().sizes.values()])
def test_every_size_of_the_recipe_denoises(size: DenoiserSize) -> None:
    model = Denoiser(300, 299, size).eval()
    with torch.no_grad():
        tokenizer = model.text_encoder(torch.zeros(2, 24, dtype=torch.long)).last_hidden_state
        assert model.unet(torch.randn(2, 4, 16, 16), 500, tokenizer).sample.shape == (2, 4, 16, 16)
    assert tokenizer.shape == (2, 24, size.width)
