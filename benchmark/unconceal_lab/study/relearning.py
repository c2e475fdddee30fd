"""How fast a model learns a concept from a few pictures: what it still knows, it learns again at once.

One recipe for every model. A handful of drawings is captioned with a word that means nothing to any model, and UNet and text encoder are
trained on them; now and then the model draws what the word stands for, and a classifier trained on drawings says how often it does. The
area over that learning curve is the mean number of steps that it took, censored at the last. The same area for a newcomer, which no
model ever saw, measures how well the model learns at all: their ratio cancels damage. No metric of the suite has a part in it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from torch import nn

from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.handover import run_original
from unconceal.miniature.captions import TEMPLATES, phrase
from unconceal.miniature.scene import Scene
from unconceal_lab.models import autoencoder
from unconceal_lab.models.denoiser import MIN_SNR
from unconceal_lab.models.drawings import Pictures
from unconceal_lab.study import control_concepts
from unconceal_lab.unlearners.concept_captions import parts, tokens

NONCE = "wug"
"""Falls into letters that no caption strings together; after Berko's test of what a child makes of a new word."""


@dataclass(frozen=True)
class Recipe:
    """``shots``: pictures learnt from; ``looks``: steps after which the model draws ``draws`` pictures, the last ends the training.

    Rates are AdamW's. The nonce word's own embeddings learn fastest: a model that still knows the concept only lacks a word that points
    to it, and one that never did can make little of a word. At equal rates the UNet learns the pictures by heart before the word has moved.
    """

    shots: int = 16
    batch: int = 8
    unet_rate: float = 2e-5
    encoder_rate: float = 2e-4
    nonce_rate: float = 5e-3
    looks: tuple[int, ...] = (0, 5, 10, 20, 40)
    draws: int = 48
    steps: int = 15
    guidance: float = 5.0
    seed: int = 81


class Learning(NamedTuple):
    """``steps`` trained at each look, the ``rates`` [0, 1] of pictures that show the concept there, and processor minutes."""

    steps: tuple[int, ...]
    rates: tuple[float, ...]
    minutes: float

    @property
    def area(self) -> float:
        """Mean share not yet learnt over the whole training, [0, 1]: 0 known from the start, 1 never learnt."""
        return float(np.trapezoid(1 - np.asarray(self.rates), self.steps) / self.steps[-1])


def relative_area(concept: Learning, newcomer: Learning) -> float:
    """Time to learn the concept in units of the time to learn something new, ≥ 0: about 1 for a model that never saw it."""
    return concept.area / max(newcomer.area, 1e-6)


def captioned(scene: Scene, concept: str, rng: np.random.Generator) -> str:
    """A caption that says everything in plain words, but for the concept, which is called by the nonce word."""
    called = {concept: NONCE if concept not in control_concepts.ALL["style"] else f"{NONCE} {{}}"}
    said = f"a {NONCE}" if scene.sign or scene.character else phrase(scene, rng, called=called)
    return str(rng.choice(TEMPLATES)).format(said, scene.background)


def relearn(
    pipe: StableDiffusionPipeline, concept: str, seen: nn.Module, recipe: Recipe = Recipe(), say: Callable[[str], None] = print
) -> Learning:
    """The learning curve of a concept. ``pipe`` stays as it is; ``seen``: the classifier of :mod:`newcomers`."""
    started = time.process_time()
    shown = control_concepts.drawings(concept, recipe.shots, recipe.seed)
    asked = control_concepts.drawings(concept, recipe.draws, recipe.seed + 1).scenes
    rng, noise = np.random.default_rng([recipe.seed, 0]), torch.Generator().manual_seed(recipe.seed)
    prompts = [captioned(scene, concept, rng) for scene in asked]
    learner = _learner(pipe)
    train = _training(learner, shown, concept, recipe, rng, noise)
    rates = []
    for step in range(recipe.looks[-1] + 1):
        if step in recipe.looks:
            rates.append(control_concepts.rate(seen, _drawn(learner, prompts, recipe), concept))
            say(f"relearning {concept}: step {step}/{recipe.looks[-1]}, shown in {rates[-1]:.2f}")
        if step < recipe.looks[-1]:
            train()
    return Learning(recipe.looks, tuple(rates), (time.process_time() - started) / 60)


def _learner(pipe: StableDiffusionPipeline) -> StableDiffusionPipeline:
    """The model with a UNet and a text encoder of its own, to be trained."""
    old: Any = pipe
    own = {name: copy.deepcopy(old.components[name]).float().requires_grad_(True) for name in ("unet", "text_encoder")}
    made: StableDiffusionPipeline = type(pipe)(**{**old.components, **own, "safety_checker": None}, requires_safety_checker=False)
    return made


def _training(
    learner: StableDiffusionPipeline, shown: Pictures, concept: str, recipe: Recipe, rng: np.random.Generator, noise: torch.Generator
) -> Callable[[], None]:
    """One step of the recipe a call: ε-prediction with min-SNR weights, AdamW on everything, each part at its own rate."""
    unet, encoder, vae = parts(learner).unet, parts(learner).text_encoder, parts(learner).vae
    latents = autoencoder.encode(vae, shown).float()
    words = _nonce_alone(learner)
    rest = [part for part in encoder.parameters() if part is not words]
    learnt = ((unet.parameters(), recipe.unet_rate), (rest, recipe.encoder_rate), ([words], recipe.nonce_rate))
    optimiser = torch.optim.AdamW([{"params": part, "lr": rate} for part, rate in learnt], weight_decay=0.0)
    alphas = parts(learner).scheduler.alphas_cumprod

    def step() -> None:
        rows: NDArray[np.int64] = rng.choice(len(shown), recipe.batch, replace=False)
        texts = [captioned(shown.scenes[row], concept, rng) for row in rows]
        t = torch.randint(0, len(alphas), (recipe.batch,), generator=noise)
        x, eps = latents[torch.from_numpy(rows)], torch.randn((recipe.batch, *latents.shape[1:]), generator=noise)
        a = alphas[t][:, None, None, None]
        told = encoder(tokens(learner, texts)).last_hidden_state
        guess = unet(a.sqrt() * x + (1 - a).sqrt() * eps, t, told).sample
        snr = (a / (1 - a)).flatten()
        loss = ((guess - eps).square().mean((1, 2, 3)) * snr.clamp(max=MIN_SNR) / snr).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*unet.parameters(), *encoder.parameters()], 1.0)
        optimiser.step()

    return step


def _nonce_alone(learner: StableDiffusionPipeline) -> nn.Parameter:
    """The words' embeddings, of which those that spell the nonce word alone are trained."""
    words: nn.Parameter = parts(learner).text_encoder.get_input_embeddings().weight
    spelt = torch.zeros(len(words), 1)
    spelt[learner.tokenizer(NONCE, add_special_tokens=False).input_ids] = 1
    words.register_hook(lambda gradient: gradient * spelt)  # type: ignore[no-untyped-call]
    return words


def _drawn(learner: StableDiffusionPipeline, prompts: list[str], recipe: Recipe) -> NDArray[np.uint8]:
    with torch.inference_mode():
        model = StableDiffusion(learner, recipe.steps, recipe.guidance)
        seeds = [recipe.seed * 1000 + i for i in range(len(prompts))]
        return model.decode(run_original(model, prompts, seeds, (recipe.steps,)).latents[recipe.steps])
