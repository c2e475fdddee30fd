"""SPM at work, against the obvious way: one prompt at a time, the layers' own forward replaced, up and down both scaled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from torch.nn import functional

from pipelines import tiny_pipeline
from unconceal.checkpoints.low_rank import LowRank
from unconceal.checkpoints.release import Spm, SpmNetwork
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.handover import hand_over, run_original
from unconceal.diffusion.spm_strength import spm_hooks, spm_strengths

STEPS, GUIDANCE, SCALE = 4, 3.0, 2.0
ERASED = ("star", "five-pointed figure")
PROMPTS = ("a red star on a white background", "a drawing of zara", "a blue five-pointed leaf")


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def membrane(pipe: StableDiffusionPipeline) -> SpmNetwork:
    """Updates of a projection, of a 1 × 1 and of a 3 × 3 convolution."""
    generator = torch.Generator().manual_seed(0)
    updates = {}
    for name, module in pipe.unet.named_modules():
        if name.endswith(("attn2.to_k", "mid_block.attentions.0.proj_in", "mid_block.resnets.0.conv1", "downsamplers.0.conv")):
            shape = module.weight.shape
            down = 0.2 * torch.randn((2, *shape[1:]), generator=generator)
            updates[name] = LowRank(down, 0.2 * torch.randn((shape[0], 2, *[1] * (len(shape) - 2)), generator=generator), SCALE)
    assert len(updates) >= 4
    return SpmNetwork("unet", (Spm(updates, ERASED),))


def words(pipe: Any, text: str) -> torch.Tensor:
    ids = pipe.tokenizer(
        text, padding="max_length", truncation=True, max_length=pipe.tokenizer.model_max_length, return_tensors="pt"
    ).input_ids
    with torch.inference_mode():
        states: torch.Tensor = pipe.text_encoder(ids).last_hidden_state
    return states


def alike(pipe: Any, prompt: str) -> float:
    """max over erased prompts of max(cosine, shared tokens)."""
    special = {pipe.tokenizer.bos_token_id, pipe.tokenizer.eos_token_id, pipe.tokenizer.pad_token_id}
    tokens = set(pipe.tokenizer(prompt).input_ids) - special
    result = []
    for erased in ERASED:
        gone = set(pipe.tokenizer(erased).input_ids) - special
        cosine = functional.cosine_similarity(words(pipe, prompt).flatten(), words(pipe, erased).flatten(), dim=0)
        result += [float(cosine), len(tokens & gone) / len(gone)]
    return max(result)


@contextmanager
def replaced(pipe: Any, membrane: SpmNetwork, m: float) -> Iterator[None]:
    """Layers whose forward adds scale · (m · up)(m · down) x."""
    layers = {name: pipe.unet.get_submodule(name) for name in membrane.membranes[0].updates}
    retained = {name: layer.forward for name, layer in layers.items()}

    def forward(name: str, x: torch.Tensor) -> torch.Tensor:
        layer, update = layers[name], membrane.membranes[0].updates[name]
        up, down = m * update.up, m * update.down
        if down.ndim == 4:
            low = functional.conv2d(x, down, stride=layer.stride, padding=layer.padding)
            return retained[name](x) + update.scale * functional.conv2d(low, up)  # type: ignore[no-any-return]
        return retained[name](x) + update.scale * (x @ down.T @ up.T)  # type: ignore[no-any-return]

    for name, layer in layers.items():
        layer.forward = lambda x, *rest, name=name: forward(name, x)
    try:
        yield
    finally:
        for name, layer in layers.items():
            layer.forward = retained[name]


def slowly(pipe: Any, prompt: str, seed: int) -> torch.Tensor:
    """The pipeline's own sampling of one prompt."""
    noise = torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(seed))
    result: torch.Tensor = pipe(prompt, num_inference_steps=STEPS, guidance_scale=GUIDANCE, latents=noise, output_type="latent").images
    return result


def test_a_prompt_that_names_the_concept_meets_the_whole_network(pipe: StableDiffusionPipeline, membrane: SpmNetwork) -> None:
    result = spm_strengths(membrane, pipe, PROMPTS, StableDiffusion(pipe, STEPS, GUIDANCE).text_embeddings)
    assert result.shape == (3, 1) and result[0] == 1 and 0 < result[1] < 1
    assert torch.allclose(result[:, 0], torch.tensor([alike(pipe, prompt) for prompt in PROMPTS]), atol=1e-5)


def test_each_row_meets_its_own_strength(pipe: StableDiffusionPipeline, membrane: SpmNetwork) -> None:
    """Both arms of a batch against one prompt at a time."""
    original, unlearned = StableDiffusion(pipe, STEPS, GUIDANCE), StableDiffusion(pipe, STEPS, GUIDANCE, membrane)
    seeds = (1, 2, 3)
    start = run_original(original, PROMPTS, seeds, (0,)).latents
    finished, _ = hand_over(unlearned, original, PROMPTS, start, ("prompt", "empty"))
    for i, (prompt, seed) in enumerate(zip(PROMPTS, seeds, strict=True)):
        untouched = slowly(pipe, prompt, seed)
        with replaced(pipe, membrane, alike(pipe, prompt)):
            expected = slowly(pipe, prompt, seed)
        assert torch.allclose(finished["prompt", 0][i : i + 1], expected, atol=1e-3), prompt
        assert (expected - untouched).abs().max() > 0.05, "the network does nothing"
        with replaced(pipe, membrane, alike(pipe, "")):
            unprompted = empty_run(pipe, seed)
        assert torch.allclose(finished["empty", 0][i : i + 1], unprompted, atol=1e-3)
    assert torch.allclose(run_original(original, PROMPTS, seeds, (STEPS,)).latents[STEPS][:1], slowly(pipe, PROMPTS[0], 1), atol=1e-3), (
        "it stays on"
    )


def empty_run(pipe: Any, seed: int) -> torch.Tensor:
    """No prompt, no guidance."""
    noise = torch.randn((1, 4, 16, 16), generator=torch.Generator().manual_seed(seed))
    result: torch.Tensor = pipe("", num_inference_steps=STEPS, guidance_scale=1.0, latents=noise, output_type="latent").images
    return result


def test_factors_of_several_membranes_add_up_before_they_are_multiplied() -> None:
    """As the released code loads Σ mᵢ upᵢ and Σ mᵢ downᵢ into one network."""
    generator = torch.Generator().manual_seed(1)
    layer, x = torch.nn.Linear(5, 4), torch.randn(3, 7, 5, generator=generator)
    halves = [(torch.randn(2, 5, generator=generator), torch.randn(4, 2, generator=generator)) for _ in range(2)]
    spm = SpmNetwork("unet", tuple(Spm({"0": LowRank(down, up, SCALE)}, ("a",)) for down, up in halves))
    strength = torch.tensor([[1.0, 0.2], [0.5, 0.5], [0.0, 0.9]])
    with torch.no_grad(), spm_hooks(spm, torch.nn.Sequential(layer), strength):
        result = layer(x)
    for row, m in enumerate(strength):
        down, up = (sum(weight * half[side] for weight, half in zip(m, halves, strict=True)) for side in (0, 1))
        assert torch.allclose(result[row], layer(x[row]) + SCALE * x[row] @ down.T @ up.T, atol=1e-5)
