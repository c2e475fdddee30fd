"""The one training loop of the miniature models: seeded by step, checkpointed, resumable."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from unconceal_lab.models.optimizer import DECAY_FROM, MuonAdamW, decaying

CHECKPOINT_SECONDS = 240


def compiled(model: nn.Module) -> nn.Module:
    """``model`` as ``torch.compile`` makes it, or itself where no C++ compiler is found. The parameters are shared."""
    if shutil.which("g++") is None:
        return model
    made: nn.Module = torch.compile(model)  # type: ignore[assignment]
    return made


def half_precision() -> torch.autocast:
    """Products in bfloat16, where the processor has instructions for them.

    Elsewhere in float32: emulated, a step of training takes twenty times as long.
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.ops.mkldnn._is_mkldnn_bf16_supported())


def fit(
    name: str,
    model: nn.Module,
    loss: Callable[[np.random.Generator, torch.Generator, float], torch.Tensor],
    optimiser: MuonAdamW,
    steps: int,
    seed: int,
    work: Path,
    average: float = 0.0,
    say: Callable[[str], None] = print,
    decay_from: float = DECAY_FROM,
) -> float:
    """Train ``model`` in place for ``steps``; returns the processor minutes of this training, resumes included.

    Step ``i`` draws its batch and its noise from generators seeded by (seed, i), so a resumed training sees what an
    uninterrupted one sees; ``loss`` is also told the share of the steps done. With ``average`` > 0 the model ends as the
    exponential moving average of its weights. ``decay_from``: share of the steps after which the learning rates decay.
    """
    state = work / f"{name}.resume.pt"
    shadow = {key: value.clone() for key, value in model.state_dict().items()} if average else {}
    first, spent = 0, 0.0
    saved = torch.load(state, weights_only=True) if state.exists() else {}
    if saved and saved.get("of") != [steps, seed]:
        say(f"{name}: a checkpoint of another recipe lies there; starting anew")
    elif saved:
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        shadow, first, spent = saved["shadow"], saved["step"], saved["minutes"]
    started = saved_at = time.process_time()
    model.train()
    for step in range(first, steps):
        value = loss(np.random.default_rng([seed, step]), torch.Generator().manual_seed(seed * 1_000_003 + step), step / steps)
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step(decaying(step / steps, decay_from=decay_from))
        if average:
            keep = min(average, (1 + step) / (10 + step))
            for key, tensor in model.state_dict().items():
                shadow[key].lerp_(tensor, 1 - keep) if tensor.is_floating_point() else shadow[key].copy_(tensor)
        now = time.process_time()
        if step % 50 == 0 or step == steps - 1:
            say(f"{name}: step {step}/{steps} loss {value.item():.4f} {spent + (now - started) / 60:.1f} CPU min")
        if now - saved_at > CHECKPOINT_SECONDS:
            minutes = spent + (now - started) / 60
            kept = {
                "of": [steps, seed],
                "model": model.state_dict(),
                "optimiser": optimiser.state_dict(),
                "shadow": shadow,
                "step": step + 1,
                "minutes": minutes,
            }
            torch.save(kept, state.with_suffix(".part"))
            os.replace(state.with_suffix(".part"), state)
            saved_at = now
    if average:
        model.load_state_dict(shadow)
    model.eval()
    state.unlink(missing_ok=True)
    return spent + (time.process_time() - started) / 60
