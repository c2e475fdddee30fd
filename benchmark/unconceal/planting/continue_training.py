"""Continued training of a Stable Diffusion UNet and text encoder, on one device or several, checkpointed and resumable.

Step i draws its pictures, noise and timesteps from generators seeded by (seed, i), so a resumed training is the uninterrupted one, and
a gold differs from its base in the pictures that show the concept and in nothing else.
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

from unconceal.planting.captioned_images import Captioned
from unconceal.specs.planting_plan import Training

STATE, STEP = "state", "step.json"


def continue_training(
    pipe: Any, pictures: Sequence[Captioned], planted: Sequence[str], how: Training, folder: Path, say: Callable[[str], None] = print
) -> Any:
    """Train ``pipe`` in place on ``pictures``, of which those that show one of ``planted`` fill their share of every batch.

    ``folder`` keeps the checkpoints of this training; it is emptied when the training ends.
    """
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    set_seed(how.seed)
    accelerator = Accelerator(mixed_precision=how.precision)
    pipe.to(accelerator.device)
    learner = Learner(pipe, how)
    optimiser = _optimiser(how, learner)
    steps = get_scheduler("linear", optimiser, num_warmup_steps=round(how.warm_up * how.steps), num_training_steps=how.steps)
    # Every process takes its own rows of one batch, so the batch, and the schedule, are the same for any number of them.
    model, optimiser = accelerator.prepare(learner, optimiser)
    first = _resume(accelerator, steps, folder, say)
    shown = Batches(pictures, planted, how)
    for step in range(first, how.steps):
        mine = range(accelerator.process_index, how.batch, accelerator.num_processes)
        loss = model(*shown.batch(step, mine, accelerator.device))
        accelerator.backward(loss)
        if accelerator.sync_gradients:
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        steps.step()
        optimiser.zero_grad(set_to_none=True)
        if step % 50 == 0 or step == how.steps - 1:
            say(f"step {step + 1}/{how.steps} loss {float(loss.detach()):.4f}")
        if (step + 1) % how.keep_every == 0 and step + 1 < how.steps:
            _keep(accelerator, steps, folder, step + 1)
    accelerator.wait_for_everyone()
    learner.eval().requires_grad_(False)
    if accelerator.is_main_process:
        shutil.rmtree(folder, ignore_errors=True)
    return pipe


class Learner(nn.Module):
    """UNet and text encoder as one module whose forward pass is the loss, so that several devices see one call."""

    def __init__(self, pipe: Any, how: Training) -> None:
        super().__init__()
        self.unet, self.text_encoder = pipe.unet, pipe.text_encoder
        self.vae, self.tokenizer, self.how = [pipe.vae.eval().requires_grad_(False)], pipe.tokenizer, how
        self.schedule = DDPMScheduler.from_config(pipe.scheduler.config)
        self.unet.train().requires_grad_(True)
        self.text_encoder.train(how.text_encoder).requires_grad_(how.text_encoder)
        if how.checkpointing:
            self.unet.enable_gradient_checkpointing()

    def forward(self, pixels: Tensor, texts: list[str], seeds: list[int]) -> Tensor:
        """Mean loss of a batch: pixels (n, 3, h, w) in [−1, 1], their captions, and a seed of the noise for each."""
        x, draws = self.latents(pixels), [torch.Generator().manual_seed(seed) for seed in seeds]
        noise = torch.stack([torch.randn(x.shape[1:], generator=draw) for draw in draws]).to(x)
        last = self.schedule.config.num_train_timesteps
        t = torch.cat([torch.randint(0, last, (1,), generator=draw) for draw in draws]).to(x.device)
        longest = self.tokenizer.model_max_length
        asked = self.tokenizer(texts, padding="max_length", truncation=True, max_length=longest, return_tensors="pt")
        words = self.text_encoder(asked.input_ids.to(x.device))[0]
        guess = self.unet(self.schedule.add_noise(x, noise, t), t, words.to(self.unet.dtype), return_dict=False)[0]
        predicts_v = self.schedule.config.prediction_type == "v_prediction"
        wanted = self.schedule.get_velocity(x, noise, t) if predicts_v else noise
        errors = (guess.float() - wanted.float()).square().mean(dim=(1, 2, 3))
        loss: Tensor = (errors * self.weights(t, predicts_v)).mean()
        return loss

    @torch.no_grad()
    def latents(self, pixels: Tensor) -> Tensor:
        """Scaled latents, the mode of each."""
        vae = self.vae[0]
        encoded: Tensor = vae.encode(pixels.to(vae.dtype)).latent_dist.mode() * vae.config.scaling_factor
        return encoded.to(self.unet.dtype)

    def weights(self, t: Tensor, predicts_v: bool) -> Tensor:
        """min(SNR, γ) / SNR of the noise (arXiv 2303.09556), as the prediction needs it."""
        if not self.how.min_snr:
            return torch.ones(len(t), device=t.device)
        snr: Tensor = compute_snr(self.schedule, t).float()
        return snr.clamp(max=self.how.min_snr) / (snr + 1 if predicts_v else snr)


class Batches:
    """Which pictures each step sees, and the pictures themselves."""

    def __init__(self, pictures: Sequence[Captioned], planted: Sequence[str], how: Training) -> None:
        self.pictures, self.how = list(pictures), how
        showing = [[i for i, picture in enumerate(pictures) if concept in picture.concepts] for concept in planted]
        self.showing = [rows for rows in showing if rows]
        others = [i for i, picture in enumerate(pictures) if not picture.concepts & set(planted)]
        self.others = others or list(range(len(pictures)))

    def rows(self, step: int) -> NDArray[np.int64]:
        """Rows of one batch: each shows a planted concept with probability ``share``, any of them alike, else something else."""
        rng = np.random.default_rng([self.how.seed, step])
        chosen = []
        for shows in rng.random(self.how.batch) < self.how.share:
            known = self.showing[rng.integers(len(self.showing))] if shows and self.showing else self.others
            chosen.append(known[rng.integers(len(known))])
        return np.asarray(chosen, np.int64)

    def batch(self, step: int, places: Sequence[int], device: torch.device) -> tuple[Tensor, list[str], list[int]]:
        """These places of a step's batch: pictures (n, 3, h, w) in [−1, 1], captions (some left empty), and seeds of the noise."""
        chosen = [self.pictures[row] for row in self.rows(step)[list(places)]]
        silent = np.random.default_rng([self.how.seed, step, 1]).random(self.how.batch) < self.how.silence
        x = torch.from_numpy(np.stack([picture.pixels(self.how.size) for picture in chosen])).permute(0, 3, 1, 2).float() / 127.5 - 1
        said = ["" if silent[place] else picture.text for place, picture in zip(places, chosen, strict=True)]
        return x.to(device), said, [(self.how.seed * 1_000_003 + step) * 4096 + place for place in places]


def _optimiser(how: Training, learner: Learner) -> torch.optim.Optimizer:
    learned = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    if how.optimiser == "adafactor":
        return torch.optim.Adafactor(learned, lr=how.rate)
    return torch.optim.AdamW(learned, lr=how.rate, weight_decay=0.0)


def _keep(accelerator: Any, steps: Any, folder: Path, done: int) -> None:
    """A checkpoint, whole or not at all: written beside, then put in place."""
    part, place = folder / f"{STATE}.part", folder / STATE
    accelerator.save_state(part)
    if accelerator.is_main_process:
        (part / STEP).write_text(json.dumps({"done": done, "schedule": steps.state_dict()}))
        shutil.rmtree(place, ignore_errors=True)
        os.replace(part, place)
    accelerator.wait_for_everyone()


def _resume(accelerator: Any, steps: Any, folder: Path, say: Callable[[str], None]) -> int:
    """Steps that are done already; 0 where there is no checkpoint."""
    place = folder / STATE
    if not (place / STEP).is_file():
        return 0
    accelerator.load_state(place)
    told = json.loads((place / STEP).read_text())
    steps.load_state_dict(told["schedule"])
    say(f"goes on after step {told['done']}")
    return int(told["done"])
