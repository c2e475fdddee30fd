"""A short training of a copy of a model on images of θ: what relearning, textual inversion and benign fine-tuning share."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from unconceal.battery.probe import Examples, ProbeInputs, diverged
from unconceal.diffusion.model import Model
from unconceal.specs.battery import FineTuning

TEXT_ENCODERS = {"text_encoder": "tokenizer", "text_encoder_2": "tokenizer_2"}
"""Names of a pipeline's text encoders and of their tokenizers."""
LORA_LAYERS = ["to_q", "to_k", "to_v", "to_out.0"]
MAX_GRADIENT_NORM = 1.0
SEED = 81


@dataclass(frozen=True)
class Learner:
    """A model of which copies of some components are trained.

    Attributes:
        model: shares all other components with the model it was copied from.
        groups: parameters by learning rate.
    """

    model: Model
    groups: list[tuple[list[nn.Parameter], float]]

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [parameter for parameters, _ in self.groups for parameter in parameters]


def new_learner(model: Model, settings: FineTuning, nonce: str = "") -> Learner:
    """A copy whose denoiser and text encoders can be trained as the settings say; the model itself never changes.

    Args:
        model: to copy.
        settings: learning rates, and the rank of a LoRA.
        nonce: the word whose token embeddings have a learning rate of their own; "": none.
    """
    rates, groups = settings.learning_rates, []
    encoders = tuple(TEXT_ENCODERS) if rates.text_encoder or nonce else ()
    learned = float32_copy(model, (model.denoiser_name, *encoders) if rates.denoiser else encoders)
    if rates.denoiser:
        groups.append((_denoiser_parameters(learned.denoiser, settings.lora_rank), rates.denoiser))
    for name in encoders:
        encoder, tokenizer = getattr(learned.pipeline, name, None), getattr(learned.pipeline, TEXT_ENCODERS[name], None)
        if encoder is not None:
            groups += _text_encoder_groups(encoder, tokenizer, settings, nonce)
    return Learner(learned, groups)


def float32_copy(model: Model, copied: Sequence[str] = ()) -> Model:
    """The model with denoiser and text encoders in float32, all of them on its device, so that gradients flow through it.

    Args:
        model: never changes.
        copied: names of the components that are copied, frozen; others are copied only if they are not float32, or offloaded.
    """
    pipeline = copy.copy(model.pipeline)
    for name in (model.denoiser_name, *TEXT_ENCODERS):
        component = getattr(pipeline, name, None)
        if component is not None and (name in copied or component.dtype != torch.float32 or model.offloader is not None):
            own = copy.deepcopy(component).to(model.device).requires_grad_(False)
            # diffusers warns of every cast, even of one to the same type.
            setattr(pipeline, name, own if own.dtype == torch.float32 else own.to(torch.float32))
    return replace(model, pipeline=pipeline, offloader=None)


def _denoiser_parameters(denoiser: Any, lora_rank: int | None) -> list[nn.Parameter]:
    if lora_rank is None:
        denoiser.requires_grad_(True)
    else:
        from peft import LoraConfig

        with torch.random.fork_rng():
            torch.manual_seed(SEED)
            denoiser.add_adapter(LoraConfig(r=lora_rank, lora_alpha=lora_rank, init_lora_weights="gaussian", target_modules=LORA_LAYERS))
    return [parameter for parameter in denoiser.parameters() if parameter.requires_grad]


def _text_encoder_groups(encoder: Any, tokenizer: Any, settings: FineTuning, nonce: str) -> Iterator[tuple[list[nn.Parameter], float]]:
    """The token embeddings with gradients for the nonce word only, and all other parameters."""
    embeddings = encoder.get_input_embeddings().weight
    if nonce:
        embeddings.requires_grad_(True)
        mask = torch.zeros(len(embeddings), 1, device=embeddings.device)
        mask[tokenizer(nonce, add_special_tokens=False).input_ids] = 1
        embeddings.register_hook(lambda gradient: gradient * mask)
        yield [embeddings], settings.learning_rates.nonce
    if settings.learning_rates.text_encoder:
        others = [parameter for parameter in encoder.parameters() if parameter is not embeddings]
        for parameter in others:
            parameter.requires_grad_(True)
        yield others, settings.learning_rates.text_encoder


def fine_tune(
    learner: Learner,
    inputs: ProbeInputs,
    examples: Examples,
    captions: Sequence[str],
    batch_size: int,
    n_steps: int,
    at_step: Callable[[int], None] = lambda step: None,
) -> None:
    """Train on the denoising loss with min-SNR weights and AdamW.

    Args:
        learner: to train.
        inputs: for progress.
        examples: images to train on.
        captions: their captions.
        batch_size: images per step; where there are fewer, some of them twice.
        n_steps: number of steps.
        at_step: called before every step and after the last, with the number of steps done.

    Raises:
        CheckFailed: the loss is not finite.
    """
    generator = torch.Generator().manual_seed(SEED)
    groups = [{"params": parameters, "lr": learning_rate} for parameters, learning_rate in learner.groups]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
    latents = examples.latents.to(learner.model.device).float().clone()
    for step in range(n_steps):
        at_step(step)
        rows = torch.randperm(len(examples), generator=generator).repeat(-(-batch_size // len(examples)))[:batch_size]
        loss = denoising_loss(learner.model, latents[rows], [captions[row] for row in rows.tolist()], generator)
        if not torch.isfinite(loss):
            raise diverged(f"the loss is {loss.item()} at step {step}")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learner.parameters, MAX_GRADIENT_NORM)
        optimizer.step()
        inputs.advance(3 * len(rows))
    at_step(n_steps)


def denoising_loss(model: Model, latents: torch.Tensor, prompts: Sequence[str], generator: torch.Generator) -> torch.Tensor:
    """The weighted training loss of one batch at random timesteps.

    Args:
        model: predicts.
        latents: (n, …) clean latents.
        prompts: n prompts.
        generator: draws timesteps and noise.
    """
    timesteps = model.random_timesteps(len(latents), generator)
    noise = torch.randn(latents.shape, generator=generator).to(latents)
    condition = model.embed_prompts(prompts).prompt
    predicted = model.call(model.add_noise(latents, noise, timesteps), timesteps, condition)
    errors = (predicted - model.training_target(latents, noise, timesteps)).square().flatten(1).mean(1)
    loss: torch.Tensor = (errors * model.loss_weights(timesteps)).mean()
    return loss
