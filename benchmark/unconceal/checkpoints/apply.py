"""Apply a released checkpoint to the base: only the tensors that it changes are replaced, everything else is shared."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import DiffusionPipeline
from torch import nn

from unconceal.checkpoints.file_limits import check_files
from unconceal.checkpoints.folders import check_inside
from unconceal.checkpoints.formats import FORMATS
from unconceal.checkpoints.key_names import ELSEWHERE, StateDict, changeable_components, renamed_to_base
from unconceal.checkpoints.release import OpenedCheckpoint, SpmNetwork, open_checkpoint
from unconceal.checkpoints.verify import check_change, check_configs, verify_component, verify_spm
from unconceal.checkpoints.weights_file import Weights, shortened
from unconceal.errors import CheckFailed
from unconceal.hub.allowed_files import checkpoint_digest
from unconceal.specs.record import ComponentRecord

ORIGINAL = "original"
Pipeline = TypeVar("Pipeline", bound=DiffusionPipeline)


@dataclass(frozen=True)
class AppliedCheckpoint:
    """What was applied to the base.

    Attributes:
        format: the format detected.
        sha256: of the file or folder.
        components: changes by component.
        unused_parts: descriptions of what the checkpoint holds and is not applied.
        spm: an SPM network, which acts beside the pipeline; give it to :class:`unconceal.diffusion.model.Model`.
    """

    format: str
    sha256: str | None = None
    components: dict[str, ComponentRecord] = field(default_factory=dict)
    unused_parts: tuple[str, ...] = ()
    spm: SpmNetwork | None = None


def apply(
    pipe: Pipeline, checkpoint: Path | None, format: str = "auto", sha256: str | None = None, component: str | None = None
) -> tuple[Pipeline, AppliedCheckpoint]:
    """Apply a checkpoint to the base pipeline θ.

    Args:
        pipe: θ; it is not changed, and θ* shares what the checkpoint leaves unchanged.
        checkpoint: a file or folder.
        format: a key of :data:`FORMATS`, "auto" to detect it, or "original" for θ itself.
        sha256: digest that the checkpoint must have.
        component: whose weights they are, where the keys do not tell (the keys of two text encoders look alike).

    Returns:
        θ*, and what was applied.

    Raises:
        CheckFailed: the checkpoint is missing, altered, in no known format, of another architecture, not finite, or equal to θ.
    """
    if format == ORIGINAL:
        return pipe, AppliedCheckpoint(ORIGINAL)
    if checkpoint is None or not checkpoint.exists():
        raise CheckFailed(
            "checkpoint.not-found",
            str(checkpoint),
            "does not exist, so there is nothing to evaluate",
            "correct the path, or download the weights",
        )
    check_files(checkpoint)
    if checkpoint.is_dir():
        for path in checkpoint.rglob("*"):
            check_inside(path, checkpoint)
    digest = checkpoint_digest(checkpoint)
    if sha256 is not None and digest != sha256:
        consequence = f"has SHA-256 {digest[:12]}…, the submission promises {sha256[:12]}…, so it is not the file that was submitted"
        raise CheckFailed("checkpoint.digest-mismatch", str(checkpoint), consequence, "restore the file, or pin the submission again")
    opened = open_checkpoint(checkpoint)
    return _put_on(pipe, opened, _format_of(opened, checkpoint, format), str(checkpoint), digest, component)


def detect(checkpoint: Path) -> str:
    """Detect the format of a checkpoint from its contents.

    Raises:
        CheckFailed: it is in no known format.
    """
    return _format_of(open_checkpoint(checkpoint), checkpoint, "auto")


def _format_of(opened: OpenedCheckpoint, checkpoint: Path, format: str) -> str:
    matches = [name for name, candidate in FORMATS.items() if candidate.detect(opened)]
    if format != "auto" and format not in matches:
        raise CheckFailed(
            "checkpoint.wrong-format",
            str(checkpoint),
            f"is not in the format {format!r} that the submission names",
            "correct it, or say format: auto",
        )
    if not matches:
        raise CheckFailed(
            "checkpoint.unknown-format",
            str(checkpoint),
            f"is in no known format ({', '.join(FORMATS)}){_example(opened)}",
            "release it in one of them",
        )
    return matches[0] if format == "auto" else format


def _example(opened: OpenedCheckpoint) -> str:
    """Example of an opened file's contents, for the error message."""
    if not isinstance(opened, Weights):
        return ""
    return f": it holds {shortened(next(iter(opened.flat or opened.tables)))!r}" if opened.tables else ": it holds no tensor"


def _put_on(
    pipe: Pipeline, opened: OpenedCheckpoint, name: str, source: str, digest: str, component: str | None
) -> tuple[Pipeline, AppliedCheckpoint]:
    if isinstance(opened, Path):
        check_configs(pipe, opened)
    base = changeable_components(pipe)
    release = FORMATS[name].read(opened, base)
    records: dict[str, ComponentRecord] = {}
    changed: dict[str, nn.Module] = {}
    for part, state in _for_component(release.tensors, component, source).items():
        if part not in base:
            raise CheckFailed("checkpoint.unknown-component", source, f"holds a {part}, which the base does not have", ELSEWHERE)
        base_state = base[part].state_dict()
        new_state = renamed_to_base(part, state, base_state)
        records[part] = verify_component(part, base_state, new_state, release.whole, source)
        if records[part].changed:
            changed[part] = replaced_tensors(base[part], {key: tensor for key, tensor in new_state.items() if key in base_state})
    if release.spm is not None:
        records[release.spm.component] = verify_spm(release.spm, base)
    check_change(records, source, release.unused_parts)
    return _sharing(pipe, changed), AppliedCheckpoint(name, digest, records, release.unused_parts, release.spm)


def _for_component(tensors: dict[str, StateDict], component: str | None, source: str) -> dict[str, StateDict]:
    """The tensors, assigned to the component that the submission names."""
    if component is None or component in tensors:
        return tensors
    if len(tensors) != 1:
        components = ", ".join(tensors) or "none"
        raise CheckFailed(
            "checkpoint.wrong-component",
            source,
            f"holds weights of several components ({components}), none of them {component}",
            "leave `component` out",
        )
    (state,) = tensors.values()
    return {component: state}


@torch.no_grad()
def replaced_tensors(module: nn.Module, state: StateDict) -> nn.Module:
    """Copy a module with the tensors of ``state``, on the module's own device and precision; other tensors are shared.

    Memory-mapped tensors of the right precision are not copied.
    """
    new = copy.deepcopy(module, {id(tensor): tensor for tensor in chain(module.parameters(), module.buffers())})
    for key, tensor in state.items():
        owner, _, name = key.rpartition(".")
        submodule = new.get_submodule(owner)
        old = getattr(submodule, name)
        value = tensor.to(old.device, old.dtype)
        setattr(submodule, name, nn.Parameter(value, requires_grad=False) if isinstance(old, nn.Parameter) else value)
    return new


def _sharing(pipe: Pipeline, changed: dict[str, nn.Module]) -> Pipeline:
    """A pipeline with the changed components, its own scheduler (schedulers have state), and everything else of ``pipe``."""
    base: Any = pipe
    scheduler = type(base.scheduler).from_config(base.scheduler.config)
    parts = {**base.components, **changed, "scheduler": scheduler}
    settings = {name: base.config[name] for name in inspect.signature(type(base)).parameters if name not in parts and name in base.config}
    if "safety_checker" in parts:
        parts |= {"safety_checker": None}
        settings |= {"requires_safety_checker": False}
    new: Pipeline = type(base)(**parts, **settings)
    new.set_progress_bar_config(disable=True)
    return new
