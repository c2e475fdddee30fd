"""The training loop of the miniature models: seeded by step, checkpointed, resumable."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from unconceal_lab.models.optimizer import DECAY_FROM, MuonAdamW, learning_rate_scale

CHECKPOINT_SECONDS = 240


def compile_module(model: nn.Module) -> nn.Module:
    """``torch.compile(model)``, or ``model`` itself if no C++ compiler is found. Parameters are shared."""
    if shutil.which("g++") is None:
        return model
    optimized: nn.Module = torch.compile(model)  # type: ignore[assignment]
    return optimized


def bfloat16_autocast() -> torch.autocast:
    """Autocast to bfloat16 if the processor has instructions for it; emulation would be 20 times slower than float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.ops.mkldnn._is_mkldnn_bf16_supported())


def fit(
    name: str,
    model: nn.Module,
    loss: Callable[[np.random.Generator, torch.Generator, float], torch.Tensor],
    optimizer: MuonAdamW,
    steps: int,
    seed: int,
    work_dir: Path,
    average: float = 0.0,
    log: Callable[[str], None] = print,
    decay_from: float = DECAY_FROM,
) -> float:
    """Train ``model`` in place.

    Step i draws batch and noise from generators seeded by (seed, i), so a resumed training equals an uninterrupted one.

    Args:
        name: names the saved state and the log lines.
        model: the module to train.
        loss: takes both generators and the fraction of steps done, returns a scalar.
        optimizer: updates the weights.
        steps: number of steps.
        seed: seed of all steps.
        work_dir: where the state is saved every few minutes; a state of the same steps and seed is resumed.
        average: decay of the exponential moving average that the model ends as; 0 keeps the last weights.
        log: receives one line per 50 steps.
        decay_from: fraction of the steps after which the learning rates decay.

    Returns:
        Processor minutes of this training, including earlier runs that it resumes.
    """
    state_path = work_dir / f"{name}.resume.pt"
    averaged = {key: tensor.clone() for key, tensor in model.state_dict().items()} if average else {}
    first_step, minutes_before = 0, 0.0
    if state := load_state(state_path, steps, seed, log):
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        averaged, first_step, minutes_before = state["averaged"], state["step"], state["minutes"]
    start_time = saved_time = time.process_time()
    model.train()
    for step in range(first_step, steps):
        value = loss(np.random.default_rng([seed, step]), torch.Generator().manual_seed(seed * 1_000_003 + step), step / steps)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step(learning_rate_scale(step / steps, decay_from=decay_from))
        if average:
            update_average(averaged, model, min(average, (1 + step) / (10 + step)))
        now = time.process_time()
        minutes = minutes_before + (now - start_time) / 60
        if step % 50 == 0 or step == steps - 1:
            log(f"{name}: step {step}/{steps} loss {value.item():.4f} {minutes:.1f} CPU min")
        if now - saved_time > CHECKPOINT_SECONDS:
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "averaged": averaged}
            save_state(state_path, {**state, "schedule": [steps, seed], "step": step + 1, "minutes": minutes})
            saved_time = now
    if average:
        model.load_state_dict(averaged)
    model.eval()
    state_path.unlink(missing_ok=True)
    return minutes_before + (time.process_time() - start_time) / 60


@torch.no_grad()
def update_average(averaged: dict[str, torch.Tensor], model: nn.Module, decay: float) -> None:
    """averaged ← decay · averaged + (1 − decay) · weights, in place; integer buffers are copied.

    diffusers' EMAModel has another warm-up and leaves out buffers such as batch norm statistics.
    """
    for key, tensor in model.state_dict().items():
        averaged[key].lerp_(tensor, 1 - decay) if tensor.is_floating_point() else averaged[key].copy_(tensor)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Save a training's state atomically."""
    torch.save(state, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)


def load_state(path: Path, steps: int, seed: int, log: Callable[[str], None]) -> dict[str, Any]:
    """The saved state of a training with these steps and this seed; empty if there is none."""
    state: dict[str, Any] = torch.load(path, weights_only=True) if path.exists() else {}
    if state and state.get("schedule") != [steps, seed]:
        log(f"{path.name}: ignored, saved by a training with other steps or another seed")
        return {}
    return state
