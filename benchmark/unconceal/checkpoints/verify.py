"""Does a released component fit the base, and does it change it?"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal.checkpoints.names import COMPONENTS, LEFTOVERS, StateDict
from unconceal.errors import CheckFailed
from unconceal.specs.record import ComponentRecord

COARSENESS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""Floating point formats, the coarser the later."""

UNSEEN_BY_SHAPE: dict[str, tuple[str, ...]] = {
    "unet": ("attention_head_dim", "num_attention_heads", "norm_num_groups", "act_fn", "resnet_time_scale_shift"),
    "text_encoder": ("num_attention_heads", "hidden_act"),
    "vae": ("norm_num_groups", "act_fn", "scaling_factor", "shift_factor"),
    "scheduler": ("prediction_type", "num_train_timesteps", "beta_schedule", "beta_start", "beta_end"),
}
"""Settings that make another model of equally shaped weights."""
OTHER, ELSEWHERE = "another architecture", "submit it to a suite of its own base"


def check_configs(pipe: StableDiffusionPipeline, folder: Path) -> None:
    """Compare what a released folder says of itself with the base, where shapes can't tell.

    Raises:
        CheckFailed: a setting differs, e.g. the model predicts v where the base predicts ε.
    """
    for part, settings in UNSEEN_BY_SHAPE.items():
        path = folder / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
        if not path.is_file():
            continue
        stated, config = _read_config(path), getattr(pipe, part).config
        ours = config.to_dict() if part == "text_encoder" else config
        for key in settings:
            if key in stated and key in ours and stated[key] != json.loads(json.dumps(ours[key])):
                consequence = f"says {key} {stated[key]!r} where the base has {ours[key]!r}, so it is {OTHER}"
                raise CheckFailed(str(path), consequence, ELSEWHERE)


def _read_config(path: Path) -> dict[str, object]:
    try:
        stated = json.loads(path.read_text())
    except ValueError as error:
        raise CheckFailed(str(path), f"is no JSON ({error})", "export the model again") from error
    return stated if isinstance(stated, dict) else {}


def verify(component: str, base: StateDict, state: StateDict, whole: bool, source: str) -> ComponentRecord:
    """What ``state`` (in the base's spelling) would change in the component whose state dict is ``base``.

    Raises:
        CheckFailed: keys the base doesn't have, other shapes, tensors missing from a ``whole`` component, NaN or infinity.
    """
    unexpected = [key for key in state if key not in base]
    strange = [key for key in unexpected if not key.endswith(LEFTOVERS)]
    if strange:
        consequence = f"{len(strange)} of {len(state)} {component} keys are unknown to the base, e.g. {strange[0]!r}, so it is {OTHER}"
        raise CheckFailed(source, consequence, ELSEWHERE)
    matched = [key for key in state if key in base]
    missing = [key for key in base if key not in state]
    if whole and missing:
        consequence = f"{len(missing)} of {len(base)} {component} tensors are missing, e.g. {missing[0]!r}"
        raise CheckFailed(source, consequence, "export the whole component, or release the changed tensors as one state dict")
    changed = 0
    moved = torch.zeros((), dtype=torch.float64)
    for key in matched:
        _check_tensor(component, key, base[key], state[key], source)
        changed += not _same(base[key], state[key])
        moved += (state[key].to(base[key].device).float() - base[key].float()).square().sum(dtype=torch.float64).cpu()
    size = sum(float(tensor.float().square().sum(dtype=torch.float64)) for tensor in base.values())
    relative = float(moved.sqrt()) / max(size**0.5, torch.finfo(torch.float32).tiny)
    return ComponentRecord(
        matched=len(matched), missing=len(missing), unexpected=len(unexpected), changed=changed, relative_change=relative
    )


def _check_tensor(component: str, key: str, base: Tensor, new: Tensor, source: str) -> None:
    if new.shape != base.shape:
        consequence = f"{component} {key!r} has shape {tuple(new.shape)}, the base {tuple(base.shape)}, so it is {OTHER}"
        raise CheckFailed(source, consequence, ELSEWHERE)
    if not new.to(base.dtype).isfinite().all():
        consequence = f"{component} {key!r} holds NaN or infinite weights in {base.dtype}, so every picture would be noise"
        raise CheckFailed(source, consequence, "export the weights again in float32 and check the training")


def _same(base: Tensor, new: Tensor) -> bool:
    """Equal up to the coarser of the two precisions: a base that was merely stored as fp16 is no unlearned model."""
    coarse = max(base.dtype, new.dtype, key=lambda dtype: COARSENESS.index(dtype) if dtype in COARSENESS else -1)
    return bool(torch.equal(base.to(coarse).cpu(), new.to(coarse).cpu()))


def check_change(components: dict[str, ComponentRecord], source: str) -> None:
    """Refuse a checkpoint that changes nothing.

    Raises:
        CheckFailed: it names no tensor of the base, or only tensors equal to the base's.
    """
    if not any(record.matched for record in components.values()):
        raise CheckFailed(source, f"holds no tensor of {', '.join(COMPONENTS)}", "release weights under diffusers' keys")
    if not any(record.changed for record in components.values()):
        consequence = f"equals the base in all {sum(record.matched for record in components.values())} tensors, so nothing was unlearned"
        raise CheckFailed(source, consequence, "check which weights were exported (a common slip is the untouched EMA copy)")
