from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from diffusion.pairs import GUIDANCE, STEPS, model, plain, slowly, trio
from unconceal.diffusion.handover import Arm, hand_over, run_original
from unconceal.diffusion.model import Model
from unconceal.diffusion.schedule import ddim_timesteps, handover_step
from unconceal.generate.generator import count_forward_passes
from unconceal.generate.identity import ComputeConfig, ImageKey, Sampling, Shard

PROMPTS, SEEDS = ("a red star on a white background", "a drawing of zara"), (7, 90_001)
ARMS: tuple[Arm, ...] = ("prompt", "empty", "own-empty")
PSI = (0.0, 0.2, 0.55, 1.0)
K = tuple(handover_step(psi, ddim_timesteps(STEPS)) for psi in PSI)
PER_PIXEL = 1e-3
"""Largest difference of a pixel in [0, 1] from diffusers' own sampling."""
ACROSS_LAYOUTS = 1e-4
"""Largest difference of a latent between layouts, in float32."""


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StableDiffusionPipeline]:
    return trio(tmp_path_factory.mktemp("pair"))


def in_unit_range(model: Model, latents: torch.Tensor) -> NDArray[np.float32]:
    """Decoded without rounding, (n, 64, 64, 3)."""
    with torch.inference_mode():
        pixels: NDArray[np.float32] = model.pipeline.vae.decode(latents).sample.div(2).add(0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()
    return pixels


def both(
    original: Model, unlearned: Model, arms: Sequence[Arm] = ARMS, k: Sequence[int] = K, batch: int = 128
) -> dict[tuple[Arm, int], torch.Tensor]:
    """Both halves, for all prompts."""
    return hand_over(unlearned, original, PROMPTS, run_original(original, PROMPTS, SEEDS, k, batch).latents, arms, batch)[0]


@pytest.mark.parametrize("part", ["unet", "text_encoder", "decoder"])
def test_it_equals_the_slow_way(pipes: dict[str, StableDiffusionPipeline], part: str) -> None:
    """Two plain pipelines, one picture at a time, exchanged at the handover, decoded by θ's VAE; every ψ and arm."""
    assert K == (0, 1, 3, STEPS)
    original, unlearned = model(pipes["original"]), model(pipes[part])
    finished = both(original, unlearned)
    assert set(finished) == {(arm, k) for arm in ARMS for k in K}
    for (arm, k), latents in finished.items():
        exact, rounded = in_unit_range(original, latents), original.decode(latents)
        for i, (prompt, seed) in enumerate(zip(PROMPTS, SEEDS, strict=True)):
            expected = slowly(pipes["original"], pipes[part], prompt, seed, k, arm)
            assert np.abs(exact[i] - expected).max() < PER_PIXEL, (part, arm, k, i)
            assert np.abs(rounded[i] - 255 * expected).max() < 0.5 + 255 * PER_PIXEL


def test_every_exchange_can_be_seen(pipes: dict[str, StableDiffusionPipeline]) -> None:
    """Else the comparison above would hold for a sampler that ignores it."""
    original = model(pipes["original"])
    untouched = both(original, original)
    for part in ("unet", "text_encoder"):
        other = both(original, model(pipes[part]))
        # θ's embedding of the empty prompt leaves a changed text encoder unheard in that arm.
        heard = [branch for branch in other if branch[1] < STEPS and (part, branch[0]) != ("text_encoder", "empty")]
        assert all((other[branch] - untouched[branch]).abs().max() > 100 * ACROSS_LAYOUTS for branch in heard)
    decoded = [in_unit_range(model(pipes[part]), untouched["prompt", 0]) for part in ("original", "decoder")]
    assert np.abs(decoded[0] - decoded[1]).max() > 10 * PER_PIXEL
    assert (untouched["prompt", 1] - untouched["empty", 1]).abs().max() > 100 * ACROSS_LAYOUTS


def test_the_empty_arm_ignores_a_changed_text_encoder(pipes: dict[str, StableDiffusionPipeline]) -> None:
    """Latents equal to the bit with θ's own; its own embedding of the empty prompt, the diagnostic arm, leads elsewhere."""
    original, unlearned = model(pipes["original"]), model(pipes["text_encoder"])
    untouched, other = both(original, original), both(original, unlearned)
    for k in K:
        assert torch.equal(other["empty", k], untouched["empty", k])
        assert torch.equal(untouched["empty", k], untouched["own-empty", k])
        if k < STEPS:
            assert (other["own-empty", k] - other["empty", k]).abs().max() > 100 * ACROSS_LAYOUTS


def test_no_share_of_the_original_is_the_unlearned_model_alone(pipes: dict[str, StableDiffusionPipeline]) -> None:
    unlearned = model(pipes["unet"])
    finished = both(model(pipes["original"]), unlearned, k=(0,))
    alone = run_original(unlearned, PROMPTS, SEEDS, (STEPS,))
    assert torch.allclose(finished["prompt", 0], alone.latents[STEPS], atol=ACROSS_LAYOUTS)


def test_the_whole_of_the_original_is_left_as_it_is(pipes: dict[str, StableDiffusionPipeline]) -> None:
    """ψ = 1: θ's own latents in all arms; no row goes through θ*'s UNet."""
    original = model(pipes["original"])
    run = run_original(original, PROMPTS, SEEDS, (STEPS,))
    finished, rows = hand_over(model(pipes["unet"]), original, PROMPTS, run.latents, ARMS)
    assert rows == 0 and all(torch.equal(finished[arm, STEPS], run.latents[STEPS]) for arm in ARMS)


def test_a_model_handed_over_to_itself_is_that_model(pipes: dict[str, StableDiffusionPipeline]) -> None:
    original = model(pipes["original"])
    finished = both(original, original, ("prompt",), range(STEPS + 1))
    assert all(torch.allclose(finished["prompt", k], finished["prompt", STEPS], atol=ACROSS_LAYOUTS) for k in range(STEPS))


def test_equal_bytes_in_one_layout(pipes: dict[str, StableDiffusionPipeline]) -> None:
    item, two = (both(model(pipes["original"]), model(pipes["unet"])) for _ in range(2))
    assert all(torch.equal(item[branch], two[branch]) for branch in item)


@pytest.mark.parametrize("batch", [1, 3])
def test_another_batch_agrees(pipes: dict[str, StableDiffusionPipeline], batch: int) -> None:
    item, two = (both(model(pipes["original"]), model(pipes["unet"]), batch=rows) for rows in (128, batch))
    assert all(torch.allclose(item[branch], two[branch], atol=ACROSS_LAYOUTS) for branch in item)


def test_another_grouping_agrees(pipes: dict[str, StableDiffusionPipeline]) -> None:
    """A picture does not depend on its neighbours, nor on which other handovers are run."""
    original, unlearned = model(pipes["original"]), model(pipes["unet"])
    together = both(original, unlearned)
    for i in range(len(PROMPTS)):
        alone = run_original(original, PROMPTS[i : i + 1], SEEDS[i : i + 1], (3,))
        finished, _ = hand_over(unlearned, original, PROMPTS[i : i + 1], alone.latents, ("empty",))
        assert torch.allclose(finished["empty", 3], together["empty", 3][i : i + 1], atol=ACROSS_LAYOUTS)


def test_the_clean_prediction(pipes: dict[str, StableDiffusionPipeline]) -> None:
    """x̂0 = (x − √(1−ᾱ) ε̂) / √ᾱ at the last step θ ran, ᾱ from the betas, ε̂ row by row, x from diffusers' pipeline."""
    pipe = plain(pipes["original"])
    clean = run_original(model(pipe), PROMPTS, SEEDS, range(STEPS + 1)).clean_latents
    assert sorted(clean) == list(range(1, STEPS + 1))
    signal = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)
    for i, (prompt, seed) in enumerate(zip(PROMPTS, SEEDS, strict=True)):
        x = [torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(seed))]
        pipe(
            prompt,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            latents=x[0],
            output_type="latent",
            callback_on_step_end=lambda _, step, t, saved, x=x: x.append(saved["latents"]) or {},
        )
        words, empty = pipe.encode_prompt([prompt], "cpu", 1, True, negative_prompt=[""])
        for k, t in enumerate(ddim_timesteps(STEPS), start=1):
            with torch.inference_mode():
                conditional, unconditional = (pipe.unet(x[k - 1], t, states).sample for states in (words, empty))
            eps = GUIDANCE * conditional + (1 - GUIDANCE) * unconditional
            expected = (x[k - 1] - (1 - signal[t]) ** 0.5 * eps) / signal[t] ** 0.5
            assert torch.allclose(clean[k][i : i + 1], expected, rtol=1e-3, atol=1e-2), (i, k)


class Counter:
    """Rows of every call of a UNet."""

    def __init__(self, model: Model) -> None:
        self.calls: list[int] = []
        self.hook = model.pipeline.unet.register_forward_pre_hook(lambda unet, inputs: self.calls.append(len(inputs[0])))


def shard(k: tuple[int, ...], arms: tuple[str, ...], checkpoint: str | None) -> Shard:
    pictures = tuple(ImageKey(prompt, seed) for prompt, seed in zip(PROMPTS, SEEDS, strict=True))
    layout = ComputeConfig("cpu", "float32", 1, 128, 2)
    return Shard("b", checkpoint, "stable-diffusion", Sampling("ddim", STEPS, GUIDANCE), k, arms, pictures, layout)


@pytest.mark.parametrize("arms", [("prompt",), ("empty",), ("own-empty",), ("prompt", "empty"), ARMS])
def test_rows_are_counted_and_calls_are_few(pipes: dict[str, StableDiffusionPipeline], arms: tuple[Arm, ...]) -> None:
    """With room for all rows: one call a step, however many handovers and arms."""
    original, unlearned = model(pipes["original"]), model(pipes["unet"])
    observed = Counter(original), Counter(unlearned)
    run = run_original(original, PROMPTS, SEEDS, (*K, STEPS))
    _, rows = hand_over(unlearned, original, PROMPTS, run.latents, arms)
    for counter in observed:
        counter.hook.remove()
        assert len(counter.calls) == STEPS
    assert run.forward_passes == sum(observed[0].calls) == count_forward_passes(shard(K, (), None))
    assert rows == sum(observed[1].calls) == count_forward_passes(shard(K, arms, "c"))


def test_calls_keep_to_the_batch(pipes: dict[str, StableDiffusionPipeline]) -> None:
    unlearned = model(pipes["unet"])
    counter = Counter(unlearned)
    both(model(pipes["original"]), unlearned, batch=5)
    counter.hook.remove()
    assert max(counter.calls) == 5


def test_the_unlearned_model_starts_no_earlier_than_needed(pipes: dict[str, StableDiffusionPipeline]) -> None:
    unlearned = model(pipes["unet"])
    counter = Counter(unlearned)
    both(model(pipes["original"]), unlearned, ("prompt",), (4,))
    counter.hook.remove()
    assert counter.calls == [4, 4]


def test_only_the_wanted_latents_are_kept(pipes: dict[str, StableDiffusionPipeline]) -> None:
    run = run_original(model(pipes["original"]), PROMPTS, SEEDS, (3, 1, 3))
    assert list(run.latents) == [1, 3] and list(run.clean_latents) == [1, 3] and run.forward_passes == 2 * 3 * len(PROMPTS)
