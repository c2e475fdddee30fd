"""Saliency Unlearning (arXiv 2310.12508): only the weights that matter to the concept are fine-tuned, towards another one."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor, nn

from unconceal_lab.unlearners.concept_captions import OTHER, embeddings, named, paired, parts, unrelated
from unconceal_lab.unlearners.denoising_loss import Drawn, drawn, error, matched, noised
from unconceal_lab.unlearners.fine_tune_loop import descend
from unconceal_lab.unlearners.released_weights import Release, released


@dataclass(frozen=True)
class Settings:
    """``salient``: share of the weights that train. ``retention`` β of the usual loss on captions of everything else.

    ``pictures`` of the concept and ``retained`` ones of everything else, drawn by the model itself in ``sampling_steps``.
    """

    steps: int = 80
    rate: float = 2e-4
    salient: float = 0.5
    retention: float = 0.1
    pictures: int = 64
    retained: int = 128
    batch: int = 16
    sampling_steps: int = 12


def salun(
    pipe: StableDiffusionPipeline, concept: str, seed: int, say: Callable[[str], None] = print, *, settings: Settings | None = None
) -> Release:
    """On pictures of the concept, train ε*(x_t, c) towards ε(x_t, c'), where c' says ``prompts.OTHER`` in the concept's place.

    Beside it β times the usual loss on retained captions. Of the whole UNet only the ``salient`` weights move: those of the
    largest gradient of the forgetting loss, which is the usual loss on the concept's pictures.

    Measured: no stars are left, but stripes still in .81 of the pictures that ask for them (.69 with steps from the noisier part only
    and a higher rate), perhaps because another style's name changes little of what is predicted on a picture that is striped already.
    """
    started, settings = time.process_time(), settings or Settings()
    frozen, learned = parts(pipe).unet, copy.deepcopy(parts(pipe).unet).requires_grad_(True)
    scheduler, rng, noise = parts(pipe).scheduler, np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    pairs = [paired(concept, rng, OTHER[concept], named(concept)) for _ in range(settings.pictures)]
    forget = drawn(pipe, [pair.said for pair in pairs], settings.sampling_steps, noise)
    retain = drawn(pipe, [unrelated(concept, rng) for _ in range(settings.retained)], settings.sampling_steps, noise)
    instead = embeddings(pipe, [pair.instead for pair in pairs])
    weights = dict(learned.named_parameters())
    for name, mask in salient(learned, scheduler, forget, settings.salient, settings.batch, noise).items():
        weights[name].register_hook(mask.__mul__)

    def loss() -> Tensor:
        rows, kept = (torch.randint(0, count, (settings.batch,), generator=noise) for count in (settings.pictures, settings.retained))
        seen, other = (noised(scheduler, some, noise) for some in (forget.latents[rows], retain.latents[kept]))
        forgotten = matched(learned, frozen, seen.x, seen.t, forget.words[rows], instead[rows])
        return forgotten + settings.retention * error(learned, other, retain.words[kept]).mean()

    descend(weights.values(), loss, settings.steps, settings.rate, say, f"salun {concept}")
    return Release(released("unet", weights), (time.process_time() - started) / 60)


def salient(unet: nn.Module, scheduler: Any, forget: Drawn, share: float, batch: int, noise: torch.Generator) -> dict[str, Tensor]:
    """1 for the ``share`` of all weights with the largest |∇ Σ ‖ε(x_t, c) − noise‖²| over the concept's pictures, else 0; by name."""
    for rows in torch.split(torch.arange(len(forget.latents)), batch):
        seen = noised(scheduler, forget.latents[rows], noise)
        torch.autograd.backward(error(unet, seen, forget.words[rows]).sum())
    sizes = {name: weight.grad.abs() for name, weight in unet.named_parameters() if weight.grad is not None}
    unet.zero_grad()
    every = torch.cat([size.flatten() for size in sizes.values()])
    least = every.kthvalue(max(1, round((1 - share) * len(every)))).values
    return {name: (size > least).to(size) for name, size in sizes.items()}
