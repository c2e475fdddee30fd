"""Erased Stable Diffusion (arXiv 2303.07345): fine-tuned against its own negative guidance."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from torch import Tensor, nn

from unconceal.miniature.unlearners.prompts import embeddings, named, paired, parts
from unconceal.miniature.unlearners.release import Release, released


@dataclass(frozen=True)
class Settings:
    """``strength`` η of the negative guidance; ``guidance`` and ``sampling_steps`` of the model's own partial denoising.

    ``renew``: updates on the latents of one denoising. ``silence``: probability of each other attribute, and of the
    background, to be left unsaid; 1 is the paper's list of names ("a star", "a picture of a star shape"). Below 1 it reaches
    further with fewer steps, but negates the colours that its captions say as well (measured: 25 % of other pictures recoloured).
    """

    steps: int
    rate: float
    strength: float = 1.0
    guidance: float = 3.0
    batch: int = 16
    sampling_steps: int = 10
    renew: int = 4
    silence: float = 1.0


ESD_X = Settings(steps=120, rate=5e-4)
ESD_U = Settings(steps=80, rate=1.5e-4)


def esd_x(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print, *, settings: Settings | None = None
) -> Release:
    """Only the cross-attention is trained: for concepts that a prompt names, such as styles."""
    return _erase(pipe, concept, seed, say, settings or ESD_X, lambda module: "attn2." in module)


def esd_u(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print, *, settings: Settings | None = None
) -> Release:
    """Everything but the cross-attention is trained: for concepts to be removed whatever the prompt."""
    return _erase(pipe, concept, seed, say, settings or ESD_U, lambda module: "attn2." not in module)


def _erase(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None], settings: Settings, chosen: Callable[[str], bool]
) -> Release:
    """Train ε*(x_t, c) towards ε(x_t, ∅) − η (ε(x_t, c) − ε(x_t, ∅)), with x_t partly denoised by the trained model under c.

    c calls the concept by its name only, never by its other wordings, as the method is used.
    """
    started = time.process_time()
    frozen, learned = parts(pipe).unet, copy.deepcopy(parts(pipe).unet)
    weights = trainable(learned, chosen)
    optimiser = torch.optim.Adam(weights.values(), lr=settings.rate)
    empty = embeddings(pipe, [""]).expand(settings.batch, -1, -1)
    rng, noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    for step in range(settings.steps):
        if step % settings.renew == 0:
            texts = [paired(concept, rng, forms=named(concept), silence=settings.silence).said for _ in range(settings.batch)]
            words = embeddings(pipe, texts)
            times, path = trajectory(learned, parts(pipe).scheduler, words, empty, settings, noise)
        stops = torch.from_numpy(rng.integers(len(times), size=settings.batch))
        x, t = path[stops, torch.arange(settings.batch)], times[stops]
        target = negated(frozen, x, t, words, empty, settings.strength)
        loss = (learned(x, t, words).sample - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 10 == 0 or step == settings.steps - 1:
            say(f"esd {concept}: step {step}/{settings.steps} loss {loss.item():.4f}")
    return Release(released("unet", weights), (time.process_time() - started) / 60)


def trainable(unet: nn.Module, chosen: Callable[[str], bool]) -> dict[str, nn.Parameter]:
    """The weights of the chosen linear and convolution layers, by name; only they will train (norms never do)."""
    unet.requires_grad_(False)
    layers = [(name, layer) for name, layer in unet.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d) and chosen(f"{name}.")]
    weights = {f"{name}.{key}": weight for name, layer in layers for key, weight in layer.named_parameters()}
    for weight in weights.values():
        weight.requires_grad_(True)
    return weights


@torch.no_grad()
def negated(unet: Any, x: Tensor, t: Tensor, words: Tensor, empty: Tensor, strength: float) -> Tensor:
    """ε(x, ∅) − η (ε(x, c) − ε(x, ∅)); shape of ``x``."""
    unconditional, conditional = unet(torch.cat([x, x]), torch.cat([t, t]), torch.cat([empty, words])).sample.chunk(2)
    result: Tensor = unconditional - strength * (conditional - unconditional)
    return result


@torch.no_grad()
def trajectory(
    unet: Any, scheduler: Any, words: Tensor, empty: Tensor, settings: Settings, noise: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The timesteps (steps,) of a guided DDIM sampling and the latents that enter each of them (steps, n, c, h, w)."""
    schedulers: Any = DDIMScheduler
    scheduler = schedulers.from_config(scheduler.config)
    scheduler.set_timesteps(settings.sampling_steps)
    size = unet.config.sample_size
    x = torch.randn((len(words), unet.config.in_channels, size, size), generator=noise).to(words.device)
    path = []
    for t in scheduler.timesteps:
        path.append(x)
        unconditional, conditional = unet(torch.cat([x, x]), t, torch.cat([empty, words])).sample.chunk(2)
        x = scheduler.step(unconditional + settings.guidance * (conditional - unconditional), t, x).prev_sample
    return scheduler.timesteps.to(words.device), torch.stack(path)
