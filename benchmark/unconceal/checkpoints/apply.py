"""Put a released checkpoint on the base: only what it changes is exchanged, everything else is shared."""

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
    """What was applied: the format found, the SHA-256 of the file or folder, and what it did to each component it names.

    ``left_out``: what the checkpoint holds beside, in words. ``membrane``: a network that acts beside the pipeline, prompt by prompt;
    give it to :class:`unconceal.diffusion.model.Model`.
    """

    format: str
    sha256: str | None = None
    components: dict[str, ComponentRecord] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    spm: SpmNetwork | None = None


def apply(
    pipe: Pipeline, checkpoint: Path | None, format: str = "auto", sha256: str | None = None, component: str | None = None
) -> tuple[Pipeline, AppliedCheckpoint]:
    """θ* and the proof that it is the checkpoint. ``pipe``, the base θ, stays as it is and shares what θ* leaves unchanged.

    ``format`` "original" gives θ back. ``sha256``: what the checkpoint must digest to. ``component``: whose weights they are, where
    the keys do not tell (a second text encoder's look like the first's).

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
    if checkpoint.is_dir():
        for path in checkpoint.rglob("*"):
            check_inside(path, checkpoint)
    digest = checkpoint_digest(checkpoint)
    if sha256 is not None and digest != sha256:
        consequence = f"has SHA-256 {digest[:12]}…, the submission promises {sha256[:12]}…, so it is not the file that was submitted"
        raise CheckFailed("checkpoint.digest-mismatch", str(checkpoint), consequence, "restore the file, or pin the submission again")
    found = open_checkpoint(checkpoint)
    return _put(pipe, found, _format_of(found, checkpoint, format), str(checkpoint), digest, component)


def detect(checkpoint: Path) -> str:
    """The format that a path is in, from what it holds.

    Raises:
        CheckFailed: it is in none.
    """
    return _format_of(open_checkpoint(checkpoint), checkpoint, "auto")


def _format_of(found: OpenedCheckpoint, checkpoint: Path, named: str) -> str:
    fitting = [name for name, known in FORMATS.items() if known.detect(found)]
    if named != "auto" and named not in fitting:
        raise CheckFailed(
            "checkpoint.wrong-format",
            str(checkpoint),
            f"is not in the format {named!r} that the submission names",
            "correct it, or say format: auto",
        )
    if not fitting:
        raise CheckFailed(
            "checkpoint.unknown-format",
            str(checkpoint),
            f"is in no known format ({', '.join(FORMATS)}){_example(found)}",
            "release it in one of them",
        )
    return fitting[0] if named == "auto" else named


def _example(found: OpenedCheckpoint) -> str:
    """What an opened file holds, for the line that refuses it."""
    if not isinstance(found, Weights):
        return ""
    return f": it holds {shortened(next(iter(found.flat or found.tables)))!r}" if found.tables else ": it holds no tensor"


def _put(pipe: Pipeline, found: OpenedCheckpoint, name: str, source: str, digest: str, component: str | None) -> tuple[Pipeline, AppliedCheckpoint]:
    if isinstance(found, Path):
        check_configs(pipe, found)
    base = changeable_components(pipe)
    release = FORMATS[name].read(found, base)
    records: dict[str, ComponentRecord] = {}
    changed: dict[str, nn.Module] = {}
    for part, state in _meant(release.tensors, component, source).items():
        if part not in base:
            raise CheckFailed("checkpoint.unknown-component", source, f"holds a {part}, which the base does not have", ELSEWHERE)
        ours = base[part].state_dict()
        theirs = renamed_to_base(part, state, ours)
        records[part] = verify_component(part, ours, theirs, release.whole, source)
        if records[part].changed:
            changed[part] = replaced_tensors(base[part], {key: tensor for key, tensor in theirs.items() if key in ours})
    if release.spm is not None:
        records[release.spm.component] = verify_spm(release.spm, base)
    check_change(records, source, release.ignored)
    return _sharing(pipe, changed), AppliedCheckpoint(name, digest, records, release.ignored, release.spm)


def _meant(tensors: dict[str, StateDict], component: str | None, source: str) -> dict[str, StateDict]:
    """The tensors under the component that the submission names for them."""
    if component is None or component in tensors:
        return tensors
    if len(tensors) != 1:
        held = ", ".join(tensors) or "none"
        raise CheckFailed(
            "checkpoint.wrong-component",
            source,
            f"holds weights of several components ({held}), none of them {component}",
            "leave `component` out",
        )
    (state,) = tensors.values()
    return {component: state}


@torch.no_grad()
def replaced_tensors(module: nn.Module, state: StateDict) -> nn.Module:
    """A module of the same structure with the tensors of ``state`` in the module's own precision and place, and the rest shared.

    Nothing is copied that need not be: tensors that lie on the disk in the right precision stay there.
    """
    new = copy.deepcopy(module, {id(tensor): tensor for tensor in chain(module.parameters(), module.buffers())})
    for key, tensor in state.items():
        owner, _, name = key.rpartition(".")
        place = new.get_submodule(owner)
        ours = getattr(place, name)
        theirs = tensor.to(ours.device, ours.dtype)
        setattr(place, name, nn.Parameter(theirs, requires_grad=False) if isinstance(ours, nn.Parameter) else theirs)
    return new


def _sharing(pipe: Pipeline, changed: dict[str, nn.Module]) -> Pipeline:
    """A pipeline of the changed components, a scheduler of its own (schedulers keep state), and everything else of ``pipe``."""
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
