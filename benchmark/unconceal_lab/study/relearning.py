"""How fast a model learns a concept from a few images: what it still knows, it relearns quickly.

One recipe for every model: a few drawings are captioned with a nonce word, and UNet and text encoder are trained on them. At fixed steps
the
model generates images for prompts with the nonce word, and a classifier trained on drawings measures how many show the concept. The area
over this learning curve is the mean number of steps, censored at the last. Dividing by the same area for a control concept, which no model
ever saw, cancels damage. No metric of the suite takes part.
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
from unconceal_lab.models.scene_images import SceneImages
from unconceal_lab.study import control_concepts
from unconceal_lab.unlearners.concept_captions import components, tokenize

NONCE = "wug"
"""A word whose tokens occur together in no caption; after Berko's test."""


@dataclass(frozen=True)
class RelearningRecipe:
    """The training of a learning curve.

    The nonce word's embeddings learn fastest: a model that knows the concept lacks only a word for it. At equal rates the UNet
    memorizes the images before the word's embeddings have changed.

    Attributes:
        n_examples: Training images.
        batch_size: Batch size.
        unet_learning_rate, encoder_learning_rate, nonce_learning_rate: AdamW's, per part.
        evaluation_steps: Training steps after which ``n_images`` images are generated; the last ends the training.
        num_inference_steps, guidance_scale: Of the generated images.
    """

    n_examples: int = 16
    batch_size: int = 8
    unet_learning_rate: float = 2e-5
    encoder_learning_rate: float = 2e-4
    nonce_learning_rate: float = 5e-3
    evaluation_steps: tuple[int, ...] = (0, 5, 10, 20, 40)
    n_images: int = 48
    num_inference_steps: int = 15
    guidance_scale: float = 5.0
    seed: int = 81


class LearningCurve(NamedTuple):
    """Training ``steps``, the ``rates`` [0, 1] of images that show the concept after them, and processor minutes."""

    steps: tuple[int, ...]
    rates: tuple[float, ...]
    minutes: float

    @property
    def area(self) -> float:
        """Mean share not yet learnt over the training, [0, 1]: 0 known from the start, 1 never learnt."""
        return float(np.trapezoid(1 - np.asarray(self.rates), self.steps) / self.steps[-1])


def relative_area(concept: LearningCurve, control: LearningCurve) -> float:
    """Time to learn the concept in units of the time to learn a control concept, ≥ 0; about 1 for a model that never saw it."""
    return concept.area / max(control.area, 1e-6)


def nonce_caption(scene: Scene, concept: str, rng: np.random.Generator) -> str:
    """A caption of the scene in which the nonce word replaces the concept."""
    forms = {concept: NONCE if concept not in control_concepts.CLASSES["style"] else f"{NONCE} {{}}"}
    text = f"a {NONCE}" if scene.sign or scene.character else phrase(scene, rng, forms=forms)
    return str(rng.choice(TEMPLATES)).format(text, scene.background)


def measure_learning(
    pipeline: StableDiffusionPipeline,
    concept: str,
    concept_rate: Callable[[NDArray[np.uint8]], float],
    recipe: RelearningRecipe = RelearningRecipe(),
    log: Callable[[str], None] = print,
) -> LearningCurve:
    """The learning curve of a concept.

    Args:
        pipeline: The model; it is not changed.
        concept: What to learn.
        concept_rate: Share of images (n, h, w, 3) that show the concept.
        recipe: The training.
        log: Called with a line per evaluation.
    """
    started = time.process_time()
    examples = control_concepts.drawings(concept, recipe.n_examples, recipe.seed)
    scenes = control_concepts.drawings(concept, recipe.n_images, recipe.seed + 1).scenes
    rng, noise = np.random.default_rng([recipe.seed, 0]), torch.Generator().manual_seed(recipe.seed)
    prompts = [nonce_caption(scene, concept, rng) for scene in scenes]
    learner = _trainable_copy(pipeline)
    train = _training_step(learner, examples, concept, recipe, rng, noise)
    rates = []
    for step in range(recipe.evaluation_steps[-1] + 1):
        if step in recipe.evaluation_steps:
            rates.append(concept_rate(_generate(learner, prompts, recipe)))
            log(f"relearning {concept}: step {step}/{recipe.evaluation_steps[-1]}, rate {rates[-1]:.2f}")
        if step < recipe.evaluation_steps[-1]:
            train()
    return LearningCurve(recipe.evaluation_steps, tuple(rates), (time.process_time() - started) / 60)


def _trainable_copy(pipeline: StableDiffusionPipeline) -> StableDiffusionPipeline:
    """The model with copies of UNet and text encoder that can be trained."""
    original: Any = pipeline
    copies = {name: copy.deepcopy(original.components[name]).float().requires_grad_(True) for name in ("unet", "text_encoder")}
    learner: StableDiffusionPipeline = type(pipeline)(
        **{**original.components, **copies, "safety_checker": None}, requires_safety_checker=False
    )
    return learner


def _training_step(
    learner: StableDiffusionPipeline,
    examples: SceneImages,
    concept: str,
    recipe: RelearningRecipe,
    rng: np.random.Generator,
    noise: torch.Generator,
) -> Callable[[], None]:
    """A function that runs one step: ε-prediction with min-SNR weights, AdamW with a learning rate per part."""
    unet, encoder, vae = components(learner).unet, components(learner).text_encoder, components(learner).vae
    latents = autoencoder.encode_images(vae, examples).float()
    optimizer = relearning_optimizer(unet, encoder, learner.tokenizer, recipe)
    alphas = components(learner).scheduler.alphas_cumprod

    def step() -> None:
        indices: NDArray[np.int64] = rng.choice(len(examples), recipe.batch_size, replace=False)
        texts = [nonce_caption(examples.scenes[index], concept, rng) for index in indices]
        t = torch.randint(0, len(alphas), (recipe.batch_size,), generator=noise)
        x, eps = latents[torch.from_numpy(indices)], torch.randn((recipe.batch_size, *latents.shape[1:]), generator=noise)
        a = alphas[t][:, None, None, None]
        hidden_states = encoder(tokenize(learner, texts)).last_hidden_state
        prediction = unet(a.sqrt() * x + (1 - a).sqrt() * eps, t, hidden_states).sample
        snr = (a / (1 - a)).flatten()
        loss = ((prediction - eps).square().mean((1, 2, 3)) * snr.clamp(max=MIN_SNR) / snr).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*unet.parameters(), *encoder.parameters()], 1.0)
        optimizer.step()

    return step


def relearning_optimizer(unet: nn.Module, encoder: Any, tokenizer: Any, recipe: RelearningRecipe) -> torch.optim.AdamW:
    """AdamW with the recipe's learning rates; of the token embeddings, only those of the nonce word get gradients from now on."""
    embeddings: nn.Parameter = encoder.get_input_embeddings().weight
    mask = torch.zeros(len(embeddings), 1)
    mask[tokenizer(NONCE, add_special_tokens=False).input_ids] = 1
    embeddings.register_hook(lambda gradient: gradient * mask)  # type: ignore[no-untyped-call]
    groups = (
        (list(unet.parameters()), recipe.unet_learning_rate),
        ([part for part in encoder.parameters() if part is not embeddings], recipe.encoder_learning_rate),
        ([embeddings], recipe.nonce_learning_rate),
    )
    return torch.optim.AdamW([{"params": part, "lr": learning_rate} for part, learning_rate in groups], weight_decay=0.0)


def _generate(learner: StableDiffusionPipeline, prompts: list[str], recipe: RelearningRecipe) -> NDArray[np.uint8]:
    with torch.inference_mode():
        steps = recipe.num_inference_steps
        model = StableDiffusion(learner, steps, recipe.guidance_scale)
        seeds = [recipe.seed * 1000 + i for i in range(len(prompts))]
        return model.decode(run_original(model, prompts, seeds, (steps,)).latents[steps])
