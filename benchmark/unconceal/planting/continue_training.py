"""Continued training of a Stable Diffusion UNet and text encoder, on one device or several, checkpointed and resumable.

Step i draws images, noise and timesteps from generators seeded by (seed, i). A resumed training equals an uninterrupted one, and a gold
differs from its base only in the images that show the concept.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDPMScheduler
from diffusers.optimization import get_scheduler
from diffusers.training_utils import compute_snr
from numpy.typing import NDArray
from torch import Tensor, nn

from unconceal.planting.captioned_images import CaptionedImage
from unconceal.specs.planting_plan import PlantingTraining

STATE, STEP = "state", "step.json"


def continue_training(
    pipeline: Any,
    images: Sequence[CaptionedImage],
    concepts: Sequence[str],
    config: PlantingTraining,
    folder: Path,
    log: Callable[[str], None] = print,
) -> Any:
    """Train the pipeline's UNet and text encoder in place.

    Args:
        pipeline: a Stable Diffusion pipeline.
        images: training images.
        concepts: concepts whose images fill ``concept_fraction`` of every batch.
        config: hyperparameters.
        folder: holds the checkpoints of this training; deleted when it ends.
        log: receives one line per 50 steps.

    Returns:
        ``pipeline``.
    """
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    set_seed(config.seed)
    accelerator = Accelerator(mixed_precision=config.mixed_precision)
    pipeline.to(accelerator.device)
    learner = DenoisingLoss(pipeline, config)
    optimizer = _new_optimizer(config, learner)
    lr_scheduler = get_scheduler(
        "linear",
        optimizer,
        num_warmup_steps=round(config.warmup_fraction * config.max_train_steps),
        num_training_steps=config.max_train_steps,
    )
    # Processes share one batch, so batches and learning rates do not depend on their number.
    model, optimizer = accelerator.prepare(learner, optimizer)
    first_step = _resume(accelerator, lr_scheduler, folder, log)
    sampler = BatchSampler(images, concepts, config)
    for step in range(first_step, config.max_train_steps):
        indices = range(accelerator.process_index, config.batch_size, accelerator.num_processes)
        loss = model(*sampler.batch(step, indices, accelerator.device))
        accelerator.backward(loss)
        if accelerator.sync_gradients:
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        lr_scheduler.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 50 == 0 or step == config.max_train_steps - 1:
            log(f"step {step + 1}/{config.max_train_steps} loss {float(loss.detach()):.4f}")
        if (step + 1) % config.checkpointing_steps == 0 and step + 1 < config.max_train_steps:
            _save_checkpoint(accelerator, lr_scheduler, folder, step + 1)
    accelerator.wait_for_everyone()
    learner.eval().requires_grad_(False)
    if accelerator.is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
    return pipeline


class DenoisingLoss(nn.Module):
    """UNet and text encoder as one module whose forward pass is the loss, as several devices need it."""

    def __init__(self, pipeline: Any, config: PlantingTraining) -> None:
        super().__init__()
        self.unet, self.text_encoder = pipeline.unet, pipeline.text_encoder
        self.vae, self.tokenizer, self.config = [pipeline.vae.eval().requires_grad_(False)], pipeline.tokenizer, config
        self.schedule = DDPMScheduler.from_config(pipeline.scheduler.config)
        self.unet.train().requires_grad_(True)
        self.text_encoder.train(config.train_text_encoder).requires_grad_(config.train_text_encoder)
        if config.gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()

    def forward(self, pixels: Tensor, texts: list[str], seeds: list[int]) -> Tensor:
        """The loss of a batch.

        Args:
            pixels: images (n, 3, h, w) in [−1, 1].
            texts: n captions.
            seeds: noise seed of each image.

        Returns:
            Mean weighted squared error, a scalar.
        """
        x, generators = self.latents(pixels), [torch.Generator().manual_seed(seed) for seed in seeds]
        noise = torch.stack([torch.randn(x.shape[1:], generator=generator) for generator in generators]).to(x)
        n_timesteps = self.schedule.config.num_train_timesteps
        t = torch.cat([torch.randint(0, n_timesteps, (1,), generator=generator) for generator in generators]).to(x.device)
        max_length = self.tokenizer.model_max_length
        tokens = self.tokenizer(texts, padding="max_length", truncation=True, max_length=max_length, return_tensors="pt")
        prompt_embeds = self.text_encoder(tokens.input_ids.to(x.device))[0]
        prediction = self.unet(self.schedule.add_noise(x, noise, t), t, prompt_embeds.to(self.unet.dtype), return_dict=False)[0]
        predicts_v = self.schedule.config.prediction_type == "v_prediction"
        target = self.schedule.get_velocity(x, noise, t) if predicts_v else noise
        errors = (prediction.float() - target.float()).square().mean(dim=(1, 2, 3))
        loss: Tensor = (errors * self.weights(t, predicts_v)).mean()
        return loss

    @torch.no_grad()
    def latents(self, pixels: Tensor) -> Tensor:
        """Scaled latents of images (n, 3, h, w): the mode of the VAE's posterior."""
        vae = self.vae[0]
        encoded: Tensor = vae.encode(pixels.to(vae.dtype)).latent_dist.mode() * vae.config.scaling_factor
        return encoded.to(self.unet.dtype)

    def weights(self, t: Tensor, predicts_v: bool) -> Tensor:
        """min-SNR-γ loss weights (arXiv 2303.09556) of timesteps t (n,)."""
        if not self.config.snr_gamma:
            return torch.ones(len(t), device=t.device)
        snr: Tensor = compute_snr(self.schedule, t).float()
        return snr.clamp(max=self.config.snr_gamma) / (snr + 1 if predicts_v else snr)


class BatchSampler:
    """Selects and loads the images of each step."""

    def __init__(self, images: Sequence[CaptionedImage], concepts: Sequence[str], config: PlantingTraining) -> None:
        self.images, self.config = list(images), config
        rows_by_concept = [[i for i, image in enumerate(images) if concept in image.concepts] for concept in concepts]
        self.rows_by_concept = [rows for rows in rows_by_concept if rows]
        other_rows = [i for i, image in enumerate(images) if not image.concepts & set(concepts)]
        self.other_rows = other_rows or list(range(len(images)))

    def rows(self, step: int) -> NDArray[np.int64]:
        """Rows of one batch. Each shows a planted concept with probability ``concept_fraction``, all concepts equally often."""
        rng = np.random.default_rng([self.config.seed, step])
        rows = []
        for shows_concept in rng.random(self.config.batch_size) < self.config.concept_fraction:
            candidates = (
                self.rows_by_concept[rng.integers(len(self.rows_by_concept))] if shows_concept and self.rows_by_concept else self.other_rows
            )
            rows.append(candidates[rng.integers(len(candidates))])
        return np.asarray(rows, np.int64)

    def batch(self, step: int, indices: Sequence[int], device: torch.device) -> tuple[Tensor, list[str], list[int]]:
        """Part of a step's batch.

        Args:
            step: the step.
            indices: positions in the batch.
            device: where the images go.

        Returns:
            Images (n, 3, h, w) in [−1, 1], captions (some empty), and noise seeds.
        """
        selected = [self.images[row] for row in self.rows(step)[list(indices)]]
        without_caption = (
            np.random.default_rng([self.config.seed, step, 1]).random(self.config.batch_size) < self.config.empty_caption_fraction
        )
        x = torch.from_numpy(np.stack([image.pixels(self.config.image_size) for image in selected])).permute(0, 3, 1, 2).float() / 127.5 - 1
        captions = ["" if without_caption[index] else image.text for index, image in zip(indices, selected, strict=True)]
        return x.to(device), captions, [(self.config.seed * 1_000_003 + step) * 4096 + index for index in indices]


def _new_optimizer(config: PlantingTraining, learner: DenoisingLoss) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    if config.optimizer == "adafactor":
        return torch.optim.Adafactor(parameters, lr=config.learning_rate)
    return torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=0.0)


def _save_checkpoint(accelerator: Any, lr_scheduler: Any, folder: Path, n_steps: int) -> None:
    """Write a checkpoint atomically."""
    partial, path = folder / f"{STATE}.part", folder / STATE
    accelerator.save_state(partial)
    if accelerator.is_main_process:
        (partial / STEP).write_text(json.dumps({"steps_done": n_steps, "schedule": lr_scheduler.state_dict()}))
        shutil.rmtree(path, ignore_errors=True)
        os.replace(partial, path)
    accelerator.wait_for_everyone()


def _resume(accelerator: Any, lr_scheduler: Any, folder: Path, log: Callable[[str], None]) -> int:
    """Load a checkpoint and return its number of steps; 0 if there is none."""
    path = folder / STATE
    if not (path / STEP).is_file():
        return 0
    accelerator.load_state(path)
    state = json.loads((path / STEP).read_text())
    lr_scheduler.load_state_dict(state["schedule"])
    log(f"resuming after step {state['steps_done']}")
    return int(state["steps_done"])
