from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline
from numpy.typing import NDArray

from diffusion.families.tiny import SHIFT, SIZE, tiny_flux
from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.families.flux import Flux
from unconceal.diffusion.handover import Arm, hand_over, run_original
from unconceal.diffusion.schedule import flow_sigmas, handover_step_by_sigma
from unconceal.specs.suite import Sampler

STEPS, GUIDANCE = 5, 3.5
PROMPTS, SEEDS = ("a red star on a white background", "a drawing of zara"), (7, 90_001)
ARMS: tuple[Arm, ...] = ("prompt", "empty")
K = (0, 2, STEPS)


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FluxPipeline]:
    """θ, and θ* with another transformer and another long text encoder; ``unguided``: the kind of FLUX.1-schnell."""
    folder = tmp_path_factory.mktemp("flux")
    original, other = tiny_flux(folder / "0", 0), tiny_flux(folder / "1", 1)
    unlearned = plain(original, transformer=other.transformer, text_encoder_2=other.text_encoder_2)
    return {"original": original, "unlearned": unlearned, "unguided": tiny_flux(folder / "2", 2, guided=False)}


def plain(pipe: FluxPipeline, **changes: Any) -> FluxPipeline:
    built = FluxPipeline(**{**pipe.components, **changes})
    built.set_progress_bar_config(disable=True)
    return built


def model(pipe: FluxPipeline) -> Flux:
    return Flux(pipe, STEPS, GUIDANCE, size=SIZE)


def slowly(original: FluxPipeline, unlearned: FluxPipeline, prompt: str, seed: int, k: int, arm: str) -> NDArray[np.float32]:
    """One picture in [0, 1] by two of diffusers' own pipelines: the second is given the first one's latents and what is left of σ."""
    even = np.linspace(1.0, 1 / STEPS, STEPS)
    x = [model(original).noise([seed])]

    def keep(_: Any, step: int, t: Any, kept: dict[str, Any]) -> dict[str, Any]:
        x.append(kept["latents"])
        return {}

    plain(original)(
        prompt,
        height=SIZE,
        width=SIZE,
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        latents=x[0],
        output_type="latent",
        callback_on_step_end=keep,
    )
    if k == STEPS:
        return decoded(original, x[k])
    embeds, pooled, _ = original.encode_prompt("", None, "cpu")
    empty = {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled, "guidance_scale": 1.0}
    message: dict[str, Any] = {"prompt": prompt, "guidance_scale": GUIDANCE} if arm == "prompt" else empty
    picture: NDArray[np.float32] = plain(unlearned, vae=original.vae)(
        **message, height=SIZE, width=SIZE, num_inference_steps=STEPS - k, sigmas=even[k:], latents=x[k], output_type="np"
    ).images[0]
    return picture


def decoded(pipe: FluxPipeline, packed: torch.Tensor) -> NDArray[np.float32]:
    x = FluxPipeline._unpack_latents(packed, SIZE, SIZE, pipe.vae_scale_factor)
    with torch.inference_mode():
        pixels = pipe.vae.decode(x / 0.8 + 0.1).sample
    built: NDArray[np.float32] = pixels.div(2).add(0.5).clamp(0, 1)[0].permute(1, 2, 0).numpy()
    return built


@pytest.mark.parametrize("name", ["unlearned", "unguided"])
def test_it_equals_the_slow_way(pipes: dict[str, FluxPipeline], name: str) -> None:
    """θ hands over to θ*; and a model without guidance to itself, with the shorter prompts it takes."""
    theta = pipes["original"] if name == "unlearned" else pipes[name]
    original, unlearned = model(theta), model(pipes[name])
    finished, rows = hand_over(unlearned, original, PROMPTS[:1], run_original(original, PROMPTS[:1], SEEDS[:1], K).latents, ARMS)
    assert rows == 2 * (5 + 3)  # one row a step and picture in either arm
    if name == "unguided":
        return
    for (arm, k), x in finished.items():
        expected = slowly(theta, pipes[name], PROMPTS[0], SEEDS[0], k, arm)
        assert np.abs(original.decode(x)[0] - 255 * expected).max() < 0.8, (arm, k)


def test_noise_is_the_pipelines(pipes: dict[str, FluxPipeline]) -> None:
    noise, _ = pipes["original"].prepare_latents(1, 4, SIZE, SIZE, torch.float32, torch.device("cpu"), torch.Generator().manual_seed(5))
    assert torch.equal(model(pipes["original"]).noise([9, 5])[1:], noise)


@torch.inference_mode()
def test_arms_and_guidance_differ(pipes: dict[str, FluxPipeline]) -> None:
    """Or the comparisons above would prove little."""
    embeddings = model(pipes["original"]).encode_prompts(["a red star"])
    x, t = model(pipes["original"]).noise([1]), torch.tensor(600.0)
    item, empty = (model(pipes["original"]).call(x, t, part) for part in (embeddings.prompt, embeddings.empty))
    assert embeddings.negative is None and not torch.allclose(item, empty, atol=1e-3)
    assert embeddings.prompt.guidance is not None and embeddings.empty.guidance is not None
    assert (embeddings.prompt.guidance.item(), embeddings.empty.guidance.item()) == (GUIDANCE, 1.0)
    assert model(pipes["unguided"]).encode_prompts(["a red star"]).prompt.guidance is None


def test_the_clean_prediction(pipes: dict[str, FluxPipeline]) -> None:
    """Finishing in one straight step from x_k along v ends at x̂0; after the last step they are the same."""
    run = run_original(model(pipes["original"]), PROMPTS, SEEDS, range(STEPS + 1))
    assert torch.allclose(run.clean_latents[STEPS], run.latents[STEPS], atol=1e-5)
    sigmas = flow_sigmas(STEPS, SHIFT)
    straight = run.latents[0] + (run.latents[1] - run.latents[0]) * sigmas[0] / (sigmas[0] - sigmas[1])
    assert torch.allclose(run.clean_latents[1], straight, atol=1e-4)


def test_the_plans_sigmas_are_the_schedulers(pipes: dict[str, FluxPipeline]) -> None:
    levels = FAMILIES["flux"].levels(Sampler(scheduler="flow-euler", num_inference_steps=STEPS, guidance_scale=GUIDANCE, shift=SHIFT))
    assert np.allclose(levels, model(pipes["original"]).noise_levels(), atol=1e-6)


@pytest.mark.parametrize(("psi", "k"), [(0, 0), (0.05, 1), (0.2, 4), (0.3, 5), (0.7, 9), (0.81, 9), (0.82, 10), (1, 10)])
def test_the_handover_is_cut_by_sigma(psi: float, k: int) -> None:
    """Ten steps shifted by 2 stand at σ = 1, .947, .889, .824, .75, .667, .571, .462, .333, .182; θ runs those above 1 − ψ."""
    assert handover_step_by_sigma(psi, flow_sigmas(10, 2.0)) == k


def test_a_level_on_the_cut_is_the_unlearned_models() -> None:
    """.7 in binary is a hair above 1 − .3."""
    assert handover_step_by_sigma(0.3, [step / 10 for step in range(10, 0, -1)]) == 3
