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

from unconceal.checkpoints.account import Account, account_for, assign_component
from unconceal.checkpoints.copies import Chosen, chosen_tensors
from unconceal.checkpoints.erasers import with_erasers
from unconceal.checkpoints.file_limits import check_files
from unconceal.checkpoints.folders import check_links, open_release, read_json
from unconceal.checkpoints.formats.spm import spm_network
from unconceal.checkpoints.inventory import inventory
from unconceal.checkpoints.key_names import ELSEWHERE, Base, Copy, StateDict, changeable_components
from unconceal.checkpoints.low_rank import merged
from unconceal.checkpoints.release import Release, SpmNetwork
from unconceal.checkpoints.verify import (
    check_buffers,
    check_change,
    check_complete,
    check_configs,
    check_prediction,
    verify_component,
    verify_spm,
)
from unconceal.checkpoints.vocabulary import check_tokenizers, token_rows
from unconceal.errors import CheckFailed
from unconceal.hub.allowed_files import checkpoint_digest
from unconceal.specs.record import ComponentRecord, FileRecord
from unconceal.specs.submission import ORIGINAL_FORMAT, Checkpoint

PIPELINE, COMPONENTS = "pipeline", "components"
PIPELINE_INDEX = "model_index.json"
Pipeline = TypeVar("Pipeline", bound=DiffusionPipeline)


@dataclass(frozen=True)
class AppliedCheckpoint:
    """What was applied to the base.

    Attributes:
        format: the format detected.
        sha256: of the file or folder.
        components: changes by component.
        unused_parts: descriptions of what the checkpoint holds and is not applied.
        warnings: what looks wrong, with numbers.
        files: how each weights file was read.
        spm: an SPM network, which acts beside the pipeline; give it to :class:`unconceal.diffusion.model.Model`.
    """

    format: str
    sha256: str | None = None
    components: dict[str, ComponentRecord] = field(default_factory=dict)
    unused_parts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    files: dict[str, FileRecord] = field(default_factory=dict)
    spm: SpmNetwork | None = None


def apply(
    pipe: Pipeline,
    checkpoint: Path | None,
    format: str = "auto",
    sha256: str | None = None,
    component: str | None = None,
    use: Copy | None = None,
    scale: float = 1.0,
) -> tuple[Pipeline, AppliedCheckpoint]:
    """Apply a checkpoint to the base pipeline θ.

    Args:
        pipe: θ; it is not changed, and θ* shares what the checkpoint leaves unchanged.
        checkpoint: a file or folder.
        format: a key of :data:`FORMATS`, "pipeline" or "components", "auto" to detect it, or "original" for θ itself.
        sha256: digest that the checkpoint must have.
        component: whose weights they are, where the keys do not tell (the keys of two text encoders look alike).
        use: the trained weights or their average, where the checkpoint holds both.
        scale: of low-rank updates.

    Returns:
        θ*, and what was applied.

    Raises:
        CheckFailed: the checkpoint is missing, altered, in no known format, of another architecture, not finite, equal to θ, or holds
            something that is not applied and would change the images.
    """
    if format == ORIGINAL_FORMAT:
        return pipe, AppliedCheckpoint(ORIGINAL_FORMAT)
    if checkpoint is None or not checkpoint.exists():
        consequence, remedy = "does not exist, so there is nothing to evaluate", "correct the path, or download the weights"
        raise CheckFailed("checkpoint.not-found", str(checkpoint), consequence, remedy)
    check_files(checkpoint)
    check_links(checkpoint)
    digest = checkpoint_digest(checkpoint)
    if sha256 is not None and digest != sha256:
        consequence = f"has SHA-256 {digest[:12]}…, the submission promises {sha256[:12]}…, so it is not the file that was submitted"
        raise CheckFailed("checkpoint.digest-mismatch", str(checkpoint), consequence, "restore the file, or pin the submission again")
    release = open_release(checkpoint)
    if checkpoint.is_dir():
        check_configs(pipe, checkpoint)
    account = account_for(release, changeable_components(pipe), format)
    name = _format_of(release, account, format)
    assign_component(account, component, str(checkpoint))
    check_buffers(pipe, account.buffers, str(checkpoint))
    check_prediction(pipe, release)
    notes = [*account.unused_parts(release), *check_tokenizers(pipe, release)]
    applied = AppliedCheckpoint(name, digest, unused_parts=tuple(notes), files=_files(account))
    return _put_on(pipe, release, account, (use, scale), applied)


def apply_submitted(pipe: Pipeline, path: Path | None, checkpoint: Checkpoint) -> tuple[Pipeline, AppliedCheckpoint]:
    """:func:`apply` with everything that a submission says of its checkpoint."""
    said = checkpoint
    return apply(pipe, path, said.format, said.sha256, said.component, said.use, 1.0 if said.scale is None else said.scale)


def detect(checkpoint: Path, base: DiffusionPipeline) -> str:
    """Detect the format of a checkpoint from its contents.

    Raises:
        CheckFailed: it is in no known format.
    """
    release = open_release(checkpoint)
    return _format_of(release, account_for(release, changeable_components(base)), "auto")


def _files(account: Account) -> dict[str, FileRecord]:
    return {
        name: FileRecord(formats=tuple(dict.fromkeys(fmt for fmt, _ in read)), prefixes=tuple(dict.fromkeys(p for _, p in read if p)))
        for name, read in account.formats.items()
    }


def _format_of(release: Release, account: Account, declared: str) -> str:
    """The format of a release: that of its file, or the layout of its folder; of adapters alone, theirs.

    Raises:
        CheckFailed: the submission names another, or nothing but unused parts was found.
    """
    formats = {name for read in account.formats.values() for name, _ in read}
    if not formats:
        found, nearest = inventory(release)
        raise CheckFailed("checkpoint.no-weights", str(release.path), f"holds no weights of a model ({found})", nearest)
    in_folder = release.path.is_dir() and formats & {"state-dict", "compvis", "flux"}
    layout = PIPELINE if PIPELINE_INDEX in release.names else COMPONENTS
    name = layout if in_folder else next(iter(sorted(formats - {"state-dict"} or formats)))
    if declared not in ("auto", name) and not (release.path.is_file() and declared in formats):
        consequence = f"is in format {name!r}, not in {declared!r}, which the submission names"
        raise CheckFailed("checkpoint.wrong-format", str(release.path), consequence, "correct it, or say format: auto")
    return name


def _put_on(
    pipe: Pipeline, release: Release, account: Account, options: tuple[Copy | None, float], applied: AppliedCheckpoint
) -> tuple[Pipeline, AppliedCheckpoint]:
    base, source, (use, scale) = changeable_components(pipe), str(release.path), options
    chosen = chosen_tensors(account, base, use, source)
    _require_components(release, chosen, base)
    notes, warnings = [note for part in chosen.values() for note in part.notes], list[str]()
    records: dict[str, ComponentRecord] = {}
    states: dict[str, StateDict] = {}
    if account.embeddings:
        rows, token_notes = token_rows(pipe, account.embeddings)
        notes += token_notes
        chosen |= {"text_encoder": _combined(chosen.get("text_encoder"), rows, base, source)} if rows else {}
    for part in dict.fromkeys((*chosen, *(update.component for update in account.updates))):
        if part not in base:
            raise CheckFailed("checkpoint.unknown-component", source, f"holds a {part}, which the base does not have", ELSEWHERE)
        base_state = base[part].state_dict()
        state = chosen[part].state if part in chosen else {}
        if part in chosen and chosen[part].is_whole:
            check_complete(part, base_state, state, source)
        state = _with_updates(part, base[part], state, account, scale, source)
        records[part], found = verify_component(part, base_state, state, source)
        warnings += found
        states[part] = {key: tensor for key, tensor in state.items() if key in base_state}
    changed = {part: replaced_tensors(base[part], state) for part, state in states.items() if records[part].changed}
    if account.erasers:
        unet, record = with_erasers(changed.get("unet", base["unet"]), account.erasers, source)
        records["unet"] = _sum(records.get("unet"), record)
        changed["unet"] = unet
    spm = spm_network(account.membranes, source)
    if spm is not None:
        records["unet"] = _sum(records.get("unet"), verify_spm(spm, base))
    if scale != 1 and not account.updates:
        consequence = f"holds no updates that scale {scale:g} could apply to"
        raise CheckFailed("checkpoint.no-scale", source, consequence, "leave `scale` out")
    unused = (*applied.unused_parts, *notes)
    check_change(records, source, unused)
    result = AppliedCheckpoint(applied.format, applied.sha256, records, unused, tuple(warnings), applied.files, spm)
    return _sharing(pipe, changed), result


def _require_components(release: Release, chosen: dict[str, Chosen], base: Base) -> None:
    """Check that a pipeline's folder has weights for every component of the base that its index names.

    Raises:
        CheckFailed: one is missing.
    """
    if PIPELINE_INDEX not in release.names:
        return
    index = read_json(release.path / PIPELINE_INDEX, release.path)
    missing = [part for part in base if part not in chosen and isinstance(entry := index.get(part), list) and any(entry)]
    if missing:
        consequence = f"names a {missing[0]} in {PIPELINE_INDEX} and holds no weights of it"
        raise CheckFailed(
            "checkpoint.no-weights", str(release.path), consequence, "export the whole pipeline, or the changed folders alone"
        )


def _combined(chosen: Chosen | None, rows: StateDict, base: Base, source: str) -> Chosen:
    """A text encoder's tensors with changed token embeddings.

    Raises:
        CheckFailed: the release also replaces its token embeddings as a whole.
    """
    taken = chosen is not None and any(
        not torch.equal(chosen.state[key], base["text_encoder"].state_dict()[key]) for key in rows if key in chosen.state
    )
    if taken:
        consequence = "changes the token embeddings both as a whole and token by token"
        raise CheckFailed("checkpoint.conflicting-tensors", source, consequence, "release the one that is meant")
    return Chosen({**(chosen.state if chosen else {}), **rows}, chosen is not None and chosen.is_whole, ())


def _with_updates(part: str, base: nn.Module, state: StateDict, account: Account, scale: float, source: str) -> StateDict:
    """A component's tensors with its updates merged.

    Raises:
        CheckFailed: a tensor is both replaced and updated, or updated by two files.
    """
    base_state = base.state_dict()
    updated: StateDict = {}
    for origin, component, updates in account.updates:
        if component != part:
            continue
        new = merged(part, base, updates, scale, source)
        taken = [
            key for key in new if key in updated or (key in state and not torch.equal(state[key].to(base_state[key]), base_state[key]))
        ]
        if taken:
            consequence = f"changes {part} {taken[0]!r} in {origin.file} and in another place, so nobody knows which is meant"
            remedy = "release the merged weights, or name the one file that is meant"
            raise CheckFailed("checkpoint.conflicting-tensors", source, consequence, remedy)
        updated |= new
    return state | updated


def _sum(first: ComponentRecord | None, second: ComponentRecord) -> ComponentRecord:
    """The entry of a component that is changed in two ways: counts and squared changes add up."""
    if first is None:
        return second
    return ComponentRecord(
        matched=first.matched + second.matched,
        missing=first.missing,
        unexpected=first.unexpected + second.unexpected,
        changed=first.changed + second.changed,
        relative_change=(first.relative_change**2 + second.relative_change**2) ** 0.5,
    )


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
