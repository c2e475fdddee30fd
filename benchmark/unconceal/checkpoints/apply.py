"""Put a released checkpoint on the base: only what it changes is copied."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from torch import nn

from unconceal.checkpoints.formats import FORMATS
from unconceal.checkpoints.names import StateDict, respelled
from unconceal.checkpoints.verify import check_change, check_configs, verify
from unconceal.errors import CheckFailed
from unconceal.specs.digests import path_digest
from unconceal.specs.record import ComponentRecord

ORIGINAL = "original"


@dataclass(frozen=True)
class Applied:
    """What was applied: the format found, the SHA-256 of the file or folder, and what it did to each component it names."""

    format: str
    sha256: str | None = None
    components: dict[str, ComponentRecord] = field(default_factory=dict)


def apply(
    pipe: StableDiffusionPipeline, checkpoint: Path | None, format: str = "auto", sha256: str | None = None
) -> tuple[StableDiffusionPipeline, Applied]:
    """θ* and the proof that it is the checkpoint. ``pipe``, the base θ, stays as it is and shares what θ* leaves unchanged.

    ``format`` "original" gives θ back. ``sha256``: what the checkpoint must digest to.

    Raises:
        CheckFailed: the checkpoint is missing, altered, in no known format, of another architecture, not finite, or equal to θ.
    """
    if format == ORIGINAL:
        return pipe, Applied(ORIGINAL)
    if checkpoint is None or not checkpoint.exists():
        raise CheckFailed(str(checkpoint), "does not exist, so there is nothing to evaluate", "correct the path, or download the weights")
    name, digest = detect(checkpoint) if format == "auto" else format, path_digest(checkpoint)
    if sha256 is not None and digest != sha256:
        consequence = f"has SHA-256 {digest[:12]}…, the submission promises {sha256[:12]}…, so it is not the file that was submitted"
        raise CheckFailed(str(checkpoint), consequence, "restore the file, or pin the submission again")
    return _put(pipe, checkpoint, name, digest)


def detect(checkpoint: Path) -> str:
    """The first format of ``FORMATS`` that the path is in.

    Raises:
        CheckFailed: it is in none.
    """
    for name, known in FORMATS.items():
        if known.detect(checkpoint):
            return name
    raise CheckFailed(str(checkpoint), f"is in no known format ({', '.join(FORMATS)})", "release it in one of them")


def _put(pipe: StableDiffusionPipeline, checkpoint: Path, name: str, digest: str) -> tuple[StableDiffusionPipeline, Applied]:
    if not FORMATS[name].detect(checkpoint):
        raise CheckFailed(str(checkpoint), f"is not in the format {name!r} that the submission names", "correct it, or say format: auto")
    if checkpoint.is_dir():
        check_configs(pipe, checkpoint)
    parts = FORMATS[name].read(checkpoint)
    records: dict[str, ComponentRecord] = {}
    for component, state in parts.items():
        base = getattr(pipe, component).state_dict()
        parts[component] = respelled(component, state, base)
        records[component] = verify(component, base, parts[component], FORMATS[name].whole, str(checkpoint))
    check_change(records, str(checkpoint))
    changed = {component: _changed(getattr(pipe, component), parts[component]) for component, record in records.items() if record.changed}
    return _sharing(pipe, changed), Applied(name, digest, records)


@torch.no_grad()
def _changed(module: nn.Module, state: StateDict) -> nn.Module:
    """A copy of a module with the tensors of ``state`` in the module's own precision and place."""
    new = copy.deepcopy(module)
    own = new.state_dict()
    for key, tensor in state.items():
        if key in own:
            own[key].copy_(tensor)
    return new


def _sharing(pipe: StableDiffusionPipeline, changed: dict[str, nn.Module]) -> StableDiffusionPipeline:
    """A pipeline of the changed components, a scheduler of its own (schedulers keep state), and everything else of ``pipe``."""
    base: Any = pipe
    library: Any = StableDiffusionPipeline
    parts = {**base.components, **changed, "scheduler": type(base.scheduler).from_config(base.scheduler.config)}
    new = library(**parts, requires_safety_checker=False)
    new.set_progress_bar_config(disable=True)
    sharing: StableDiffusionPipeline = new
    return sharing
