"""Latents to learn from: what a model draws itself, wholly or halfway, and the usual denoising error on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from torch import Tensor

from unconceal_lab.unlearners.concept_captions import embeddings, parts

GUIDANCE = 7.5
"""Of the pictures that a model draws to learn from, as the suite samples."""
GROUP = 64


class Drawn(NamedTuple):
    """Pictures and what they were drawn for: ``latents`` (n, c, h, w), clean, and ``words`` (n, length, width)."""

    latents: Tensor
    words: Tensor

    def some(self, rows: Tensor) -> Drawn:
        return Drawn(self.latents[rows], self.words[rows])


class Noised(NamedTuple):
    """``x`` = √ā_t · latents + √(1 − ā_t) · ``noise`` at steps ``t`` (n,)."""

    x: Tensor
    t: Tensor
    noise: Tensor


@torch.no_grad()
def trajectory(
    unet: Any, scheduler: Any, words: Tensor, empty: Tensor, steps: int, guidance: float, noise: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A guided DDIM sampling: its timesteps (steps,), and the latents that enter each and leave the last (steps + 1, n, c, h, w)."""
    schedulers: Any = DDIMScheduler
    scheduler = schedulers.from_config(scheduler.config)
    scheduler.set_timesteps(steps)
    size = unet.config.sample_size
    path = [torch.randn((len(words), unet.config.in_channels, size, size), generator=noise).to(words.device)]
    for t in scheduler.timesteps:
        x = path[-1]
        unconditional, conditional = unet(torch.cat([x, x]), t, torch.cat([empty, words])).sample.chunk(2)
        path.append(scheduler.step(unconditional + guidance * (conditional - unconditional), t, x).prev_sample)
    return scheduler.timesteps.to(words.device), torch.stack(path)


def partly_denoised(
    pipe: StableDiffusionPipeline,
    unet: Any,
    captions: Callable[[], list[str]],
    steps: int,
    guidance: float,
    renew: int,
    rng: np.random.Generator,
    noise: torch.Generator,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Endless batches (x_t, t, words) that ``unet`` has denoised down to a random step t under ``captions()``.

    The latents of one denoising serve ``renew`` batches, each row at a step of its own.
    """
    while True:
        words = embeddings(pipe, captions())
        empty = embeddings(pipe, [""]).expand(len(words), -1, -1)
        times, path = trajectory(unet, parts(pipe).scheduler, words, empty, steps, guidance, noise)
        for _ in range(renew):
            stops = torch.from_numpy(rng.integers(len(times), size=len(words)))
            yield path[stops, torch.arange(len(words))], times[stops], words


def drawn(pipe: StableDiffusionPipeline, texts: list[str], steps: int, noise: torch.Generator) -> Drawn:
    """What the pipeline draws for each text."""
    words = embeddings(pipe, texts)
    empty, unet, scheduler = embeddings(pipe, [""]), parts(pipe).unet, parts(pipe).scheduler
    groups = [
        trajectory(unet, scheduler, few, empty.expand(len(few), -1, -1), steps, GUIDANCE, noise)[1][-1] for few in torch.split(words, GROUP)
    ]
    return Drawn(torch.cat(groups), words)


def noised(scheduler: Any, latents: Tensor, noise: torch.Generator) -> Noised:
    """Latents with noise on, each at a step of its own."""
    t = torch.randint(0, len(scheduler.alphas_cumprod), (len(latents),), generator=noise).to(latents.device)
    eps = torch.randn(latents.shape, generator=noise).to(latents.device)
    a = scheduler.alphas_cumprod.to(latents.device)[t][:, None, None, None]
    return Noised(a.sqrt() * latents + (1 - a).sqrt() * eps, t, eps)


def error(unet: Any, seen: Noised, words: Tensor) -> Tensor:
    """Mean squared error of the predicted noise, picture by picture (n,); what diffusion models are trained on."""
    result: Tensor = (unet(seen.x, seen.t, words).sample - seen.noise).square().mean((1, 2, 3))
    return result


def matched(unet: Any, frozen: Any, x: Tensor, t: Tensor, words: Tensor, instead: Tensor) -> Tensor:
    """‖ε*(x_t, ``words``) − ε(x_t, ``instead``)‖², a mean: how far ``unet`` is from reading one caption as ``frozen`` reads another."""
    with torch.no_grad():
        target = frozen(x, t, instead).sample
    result: Tensor = (unet(x, t, words).sample - target).square().mean()
    return result
