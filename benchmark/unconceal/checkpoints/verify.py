"""Verify that a released component fits the base and changes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from unconceal.checkpoints.folders import read_json
from unconceal.checkpoints.key_names import ELSEWHERE, LEGACY_BUFFERS, Base, StateDict
from unconceal.checkpoints.release import SpmNetwork
from unconceal.checkpoints.weights_file import shortened
from unconceal.errors import CheckFailed
from unconceal.specs.record import ComponentRecord

PRECISIONS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""Floating point formats, from fine to coarse."""

ARCHITECTURE_SETTINGS: dict[str, tuple[str, ...]] = {
    "unet": ("attention_head_dim", "num_attention_heads", "norm_num_groups", "act_fn", "resnet_time_scale_shift"),
    "transformer": ("attention_head_dim", "num_attention_heads", "guidance_embeds"),
    "text_encoder": ("num_attention_heads", "hidden_act"),
    "vae": ("norm_num_groups", "act_fn", "scaling_factor", "shift_factor"),
    "scheduler": ("prediction_type", "num_train_timesteps", "beta_schedule", "beta_start", "beta_end"),
}
"""Settings that change the model without changing the shapes of its weights."""
OTHER = "another architecture"


def check_configs(pipe: DiffusionPipeline, folder: Path) -> None:
    """Compare the config files of a released folder with the base.

    Raises:
        CheckFailed: a setting differs, e.g. the model predicts v where the base predicts ε.
    """
    for part, settings in ARCHITECTURE_SETTINGS.items():
        path = folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
        if not path.is_file() or getattr(pipe, part, None) is None:
            continue
        stated, config = read_json(path, folder), getattr(pipe, part).config
        base_config = config.to_dict() if part.startswith("text_encoder") else config
        for key in settings:
            if key in stated and key in base_config and stated[key] != json.loads(json.dumps(base_config[key])):
                consequence = f"says {key} {shortened(repr(stated[key]))} where the base has {base_config[key]!r}, so it is {OTHER}"
                raise CheckFailed("checkpoint.wrong-architecture", str(path), consequence, ELSEWHERE)


class Difference(NamedTuple):
    """Of one tensor: whether it changed, and ‖new − base‖²."""

    changed: bool
    squared: float


def verify_component(component: str, base: StateDict, state: StateDict, whole: bool, source: str) -> ComponentRecord:
    """Verify the new tensors of a component and measure their change.

    Args:
        component: its name.
        base: its state dict in the base.
        state: the new tensors under the base's keys.
        whole: whether ``state`` must be complete.
        source: file name for error messages.

    Raises:
        CheckFailed: keys the base doesn't have, other shapes, tensors missing from a ``whole`` component, NaN or infinity.
    """
    unexpected = [key for key in state if key not in base]
    unknown = [key for key in unexpected if not key.endswith(LEGACY_BUFFERS)]
    if unknown:
        consequence = f"{len(unknown)} of {len(state)} {component} keys are unknown to the base, e.g. {unknown[0]!r}, so it is {OTHER}"
        raise CheckFailed("checkpoint.unknown-keys", source, consequence, ELSEWHERE)
    matched = [key for key in state if key in base]
    missing = [key for key in base if key not in state]
    if whole and missing:
        consequence = f"{len(missing)} of {len(base)} {component} tensors are missing, e.g. {missing[0]!r}"
        raise CheckFailed(
            "checkpoint.missing-keys", source, consequence, "export the whole component, or release the changed tensors as one state dict"
        )
    differences = [_difference(component, key, base[key], state[key], source) for key in matched]
    return ComponentRecord(
        matched=len(matched),
        missing=len(missing),
        unexpected=len(unexpected),
        changed=sum(result.changed for result in differences),
        relative_change=relative([result.squared for result in differences], base),
    )


def _difference(component: str, key: str, base: Tensor, new: Tensor, source: str) -> Difference:
    if new.shape != base.shape:
        consequence = f"{component} {key!r} has shape {tuple(new.shape)}, the base {tuple(base.shape)}, so it is {OTHER}"
        raise CheckFailed("checkpoint.wrong-shape", source, consequence, ELSEWHERE)
    if base.is_floating_point() and not new.is_floating_point():
        consequence = f"{component} {key!r} holds whole numbers ({str(new.dtype).removeprefix('torch.')}) where the base has weights"
        raise CheckFailed("checkpoint.not-floating", source, consequence, "export the weights again in float32")
    here = new.to(base.device)
    # A finite sum has finite terms; the reverse need not hold, so only then every element is looked at.
    doubtful = here.dtype != base.dtype or not here.sum(dtype=torch.float32).isfinite()
    if doubtful and not here.to(base.dtype).isfinite().all():
        consequence = f"{component} {key!r} holds NaN or infinite weights in {base.dtype}, so every image would be noise"
        raise CheckFailed("checkpoint.not-finite", source, consequence, "export the weights again in float32 and check the training")
    if _same(base, here):
        return Difference(False, squared(here.float() - base.float()) if here.dtype != base.dtype else 0.0)
    return Difference(True, squared(here.float() - base.float()))


def squared(tensor: Tensor) -> float:
    """‖tensor‖²."""
    flat = tensor.float().flatten()
    total = float(flat.dot(flat))
    return total if total < float("inf") else float(flat.double().dot(flat.double()))


def relative(squared_changes: Sequence[float], base: StateDict) -> float:
    """‖change‖ / ‖base‖ from the squared length of each tensor's change."""
    size = sum(squared(tensor) for tensor in base.values())
    return float((sum(squared_changes) / max(size, torch.finfo(torch.float32).tiny)) ** 0.5)


def _same(base: Tensor, new: Tensor) -> bool:
    """Equal at the coarser of the two precisions: the base stored as fp16 is not an unlearned model."""
    coarser = max(base.dtype, new.dtype, key=lambda dtype: PRECISIONS.index(dtype) if dtype in PRECISIONS else -1)
    return torch.equal(base.to(coarser), new.to(coarser))


def verify_spm(spm: SpmNetwork, base: Base) -> ComponentRecord:
    """Measure what an SPM network adds to the base at full strength; modules count as tensors."""
    weights = base[spm.component].state_dict()
    added = [squared(update.product(tuple(weights[f"{name}.weight"].shape))) for name, update in spm.updates.items()]
    return ComponentRecord(
        matched=len(added),
        missing=len(weights) - len(added),
        unexpected=0,
        changed=sum(square > 0 for square in added),
        relative_change=relative(added, weights),
    )


def check_change(components: dict[str, ComponentRecord], source: str, unused_parts: Sequence[str] = ()) -> None:
    """Check that a checkpoint changes something.

    Raises:
        CheckFailed: it holds no tensor of the base, or only tensors equal to the base's.
    """
    if not any(record.matched for record in components.values()):
        raise CheckFailed(
            "checkpoint.no-weights", source, "holds no tensor of any part of the base", "release weights under diffusers' keys"
        )
    if not any(record.changed for record in components.values()):
        consequence = f"equals the base in all {sum(record.matched for record in components.values())} tensors, so nothing was unlearned"
        note = f" (left out: {'; '.join(unused_parts)})" if unused_parts else ""
        raise CheckFailed(
            "checkpoint.no-change",
            source,
            consequence + note,
            "check which weights were exported (a common slip is the untouched EMA copy)",
        )
