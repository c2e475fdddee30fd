"""The account of a release: every tensor of every weights file is applied, or left out with a reason, or refused.

This is the one place where that is decided. What formats read is checked here against what the files hold.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from unconceal.checkpoints.formats import FORMATS
from unconceal.checkpoints.inventory import inventory
from unconceal.checkpoints.key_names import Base, Copy, StateDict, split_key
from unconceal.checkpoints.low_rank import Updates
from unconceal.checkpoints.release import Group, Reading, Release, ReleasedFile, Spm
from unconceal.checkpoints.weights_file import shortened
from unconceal.errors import CheckFailed

FILTERED = "a safety checker, which blanks images: filtering is not forgetting"
SCHEDULE = "the noise schedule's buffers"
LEFT_OUT: dict[str, re.Pattern[str]] = {
    "a trainer's state": re.compile(
        r"(optimizer\w*|optim|lr_schedulers?|scaler|grad_scaler|callbacks|loops|rng_state\w*|hyper_parameters)\..*"
    ),
    SCHEDULE: re.compile(
        r"betas|(sqrt_|sqrt_recip_|sqrt_recipm1_|sqrt_one_minus_|log_one_minus_)?alphas_cumprod(_prev)?|logvar|lvlb_weights"
        r"|posterior_(variance|log_variance_clipped|mean_coef[12])|scale_factor|denoiser\.(log_)?sigmas"
    ),
    "counters of an average": re.compile(r"decay|num_updates|optimization_step"),
    FILTERED: re.compile(r"safety_checker\..*"),
}
"""Why keys that belong to no component are left out. Containers are taken off first."""
UNCOMPARED = re.compile(r"posterior_.*|logvar|lvlb_weights")
"""Buffers that only training reads. All others are compared with the base's noise schedule and latent space."""


class Origin(NamedTuple):
    """Where a tensor comes from: file, prefix and copy."""

    file: str
    prefix: str
    copy: Copy | None


class Replacement(NamedTuple):
    """A tensor that replaces the base's. ``is_whole``: whether its file claims to hold all of its component."""

    tensor: Tensor
    origin: Origin
    is_whole: bool


class UpdateSet(NamedTuple):
    """Updates of one component from one file."""

    origin: Origin
    component: str
    updates: Updates


@dataclass
class Account:
    """What becomes of a release.

    Attributes:
        replacements: by component, key as released, one for each file that holds it.
        left_out: number of tensors by file and reason.
        formats: of each file, with the prefixes that were taken off, in order.
        buffers: of a noise schedule, but :data:`UNCOMPARED`.
    """

    replacements: dict[str, list[tuple[str, Replacement]]] = field(default_factory=dict)
    updates: list[UpdateSet] = field(default_factory=list)
    erasers: dict[str, StateDict] = field(default_factory=dict)
    embeddings: dict[str, Tensor] = field(default_factory=dict)
    membranes: list[Spm] = field(default_factory=list)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    formats: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    buffers: StateDict = field(default_factory=dict)

    def unused_parts(self, release: Release) -> tuple[str, ...]:
        """Descriptions of everything that is not applied."""
        files = [f"{shortened(name)}: {reason}" for name, reason in release.unused.items()]
        single = release.path.is_file()
        tensors = [
            f"{n} tensor{'s' * (n > 1)}: {reason}" if single else f"{shortened(name)}: {n} tensor{'s' * (n > 1)}, {reason}"
            for (name, reason), n in self.left_out.items()
        ]
        others = [other if single else f"{shortened(file.name)}: {other}" for file in release.files for other in file.weights.others]
        return (*files, *tensors, *others)


def account_for(release: Release, base: Base, declared: str = "auto") -> Account:
    """Read every tensor of a release.

    Args:
        release: its opened files.
        base: components of the base.
        declared: the format that the submission names.

    Raises:
        CheckFailed: a tensor is in no known format, or its format does not apply it.
    """
    account = Account()
    for file in release.files:
        for group in _groups(release, file, declared, account):
            reading = FORMATS[group.format].read(group, base)
            lost = group.tensors.keys() - reading.used
            if lost:
                consequence = f"has {len(lost)} tensors that format {group.format!r} does not apply, e.g. {shortened(min(lost))!r}"
                raise CheckFailed("checkpoint.unknown-keys", group.source, consequence, "release the model without them")
            _enter(account, group, reading)
    return account


def _groups(release: Release, file: ReleasedFile, declared: str, account: Account) -> Iterator[Group]:
    """The tensors of a file by prefix and format."""
    kinds: dict[tuple[str, str | None, Copy | None], StateDict] = {}
    for whole, tensor in file.weights.tensors.items():
        split = split_key(whole)
        reason = next((reason for reason, pattern in LEFT_OUT.items() if pattern.fullmatch(split.key)), None)
        if reason is not None and split.component is None:
            account.left_out[file.name, reason] += 1
            account.buffers |= {split.key: tensor} if reason == SCHEDULE and not UNCOMPARED.fullmatch(split.key) else {}
            continue
        kind = split.prefix, split.component or file.component, split.copy or file.copy
        kinds.setdefault(kind, {})[split.key] = tensor
    for (prefix, component, copy), tensors in _averages_named(kinds, file).items():
        remaining = list(tensors)
        for name, candidate in FORMATS.items():
            selected = candidate.select(remaining, component, file.weights.metadata) if remaining else []
            if selected:
                remaining = [key for key in remaining if key not in set(selected)]
                yield Group(file, name, declared, prefix, component, copy, {key: tensors[key] for key in selected})
        if remaining:
            known = len(file.weights.tensors) - len(remaining)
            found, nearest = inventory(release, remaining)
            consequence = f"has {len(remaining)} tensors in no known format beside {known} others ({found})"
            raise CheckFailed("checkpoint.unknown-keys", str(file.weights.path), consequence, nearest)


Kinds = dict[tuple[str, str | None, Copy | None], StateDict]


def _averages_named(kinds: Kinds, file: ReleasedFile) -> Kinds:
    """The same with full names for averaged weights: the original code saves those without dots.

    Raises:
        CheckFailed: the file has averaged weights under such names and no others that would tell them.
    """
    names = {
        f"diffusion_model{key.replace('.', '')}": (component, key)
        for (_, component, copy), state in kinds.items()
        for key in (state if copy != "ema" else ())
    }
    named: Kinds = {}
    for (prefix, component, copy), tensors in kinds.items():
        dotless = copy == "ema" and all("." not in key for key in tensors)
        if dotless and not tensors.keys() <= names.keys():
            consequence = f"holds {len(tensors)} averaged tensors under names ({prefix}…) that only the trained weights beside them explain"
            raise CheckFailed("checkpoint.ema-only", str(file.weights.path), consequence, "release the trained weights too")
        if dotless:
            component = names[next(iter(tensors))][0]
            tensors = {names[key][1]: tensor for key, tensor in tensors.items()}
        named[prefix, component, copy] = tensors
    return named


def _enter(account: Account, group: Group, reading: Reading) -> None:
    """Add a group to the account.

    Raises:
        CheckFailed: two groups say what becomes of the same part, or an average is of something else than weights.
    """
    origin = Origin(group.file.name, group.prefix, group.copy)
    account.formats.setdefault(group.file.name, []).append((group.format, group.prefix))
    for component, state in reading.tensors.items():
        entries = account.replacements.setdefault(component, [])
        entries += [(key, Replacement(tensor, origin, group.file.is_whole)) for key, tensor in state.items()]
    account.updates += [UpdateSet(origin, component, updates) for component, updates in reading.updates.items()]
    if reading.spm:
        account.membranes.append(reading.spm)
    twice = [*(account.erasers.keys() & reading.erasers.keys()), *(account.embeddings.keys() & reading.embeddings.keys())]
    if twice:
        consequence = f"holds {shortened(twice[0])!r}, which another file holds too, so nobody knows which is meant"
        raise CheckFailed("checkpoint.conflicting-tensors", group.source, consequence, "name the one file that is meant")
    if group.copy == "ema" and not reading.tensors:
        consequence = f"holds averaged weights in format {group.format!r}, which are not told from trained ones"
        raise CheckFailed("checkpoint.conflicting-tensors", group.source, consequence, "release the weights that are meant")
    account.left_out.update({(group.file.name, reason): n for reason, n in reading.left_out.items()})
    account.erasers |= reading.erasers
    account.embeddings |= reading.embeddings


def assign_component(account: Account, component: str | None, source: str) -> None:
    """Assign the tensors to the component that the submission names.

    Raises:
        CheckFailed: they are of several components, none of them that one.
    """
    if component is None or component in account.replacements or any(update.component == component for update in account.updates):
        return
    if len(account.replacements) != 1 or account.updates:
        components = ", ".join((*account.replacements, *(update.component for update in account.updates))) or "none"
        consequence = f"holds weights of other components ({components}) than {component}, which the submission names"
        raise CheckFailed("checkpoint.wrong-component", source, consequence, "leave `component` out, or correct it")
    ((_, entries),) = account.replacements.items()
    account.replacements = {component: entries}
