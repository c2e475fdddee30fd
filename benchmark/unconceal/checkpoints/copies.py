"""Released tensors under the base's names, one for each: copies are told apart, and conflicts refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unconceal.checkpoints.account import Account, Replacement
from unconceal.checkpoints.key_names import Base, Copy, StateDict, renamed_to_base
from unconceal.checkpoints.verify import relative, same, squared
from unconceal.checkpoints.vocabulary import without_added_rows
from unconceal.errors import CheckFailed


class Chosen(NamedTuple):
    """The tensors of one component under the base's names. ``is_whole``: whether a file claims to hold all of it."""

    state: StateDict
    is_whole: bool
    notes: tuple[str, ...]


def chosen_tensors(account: Account, base: Base, use: Copy | None, source: str) -> dict[str, Chosen]:
    """The tensors that are meant, by component.

    Args:
        account: of the release.
        base: components of the base; others are refused later.
        use: copy that the submission names.
        source: file name for error messages.

    Raises:
        CheckFailed: two tensors of the same name differ, or two copies of the weights do and the submission names none.
    """
    copies = {replacement.origin.copy for entries in account.replacements.values() for _, replacement in entries}
    if use is not None and copies and use not in copies and not (use == "model" and None in copies):
        consequence = f"holds no copy {use!r} of the weights, which the submission names"
        raise CheckFailed("checkpoint.no-such-copy", source, consequence, "leave `use` out, or correct it")
    return {
        component: _component(component, entries, base.get(component), use, source) for component, entries in account.replacements.items()
    }


def _component(component: str, entries: list[tuple[str, Replacement]], module: nn.Module | None, use: Copy | None, source: str) -> Chosen:
    base = module.state_dict() if module is not None else {}
    by_copy: dict[str, dict[str, Replacement]] = defaultdict(dict)
    notes: list[str] = []
    for key, replacement in entries:
        state = by_copy["ema" if replacement.origin.copy == "ema" else "model"]
        ((name, tensor),) = renamed_to_base(component, {key: replacement.tensor}, base).items()
        other = state.setdefault(name, replacement)
        if other is not replacement and not _equal(other.tensor, tensor):
            consequence = f"holds two different tensors for {component} {name!r}, in {_place(other)} and {_place(replacement)}"
            remedy = "name the one file that is meant"
            raise CheckFailed("checkpoint.conflicting-tensors", source, consequence, remedy)
    states = {copy: {name: entry.tensor for name, entry in state.items()} for copy, state in by_copy.items()}
    copy = _copy(component, states, base, use, source, notes)
    tensors = states[copy]
    if module is not None:
        tensors, added = without_added_rows(component, module, tensors)
        notes += added
    return Chosen(tensors, any(entry.is_whole for entry in by_copy[copy].values()), tuple(notes))


def _place(replacement: Replacement) -> str:
    prefix = replacement.origin.prefix
    return f"{replacement.origin.file} ({prefix}…)" if prefix else replacement.origin.file


def _equal(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and same(first, second)


def _copy(component: str, states: Mapping[str, StateDict], base: StateDict, use: Copy | None, source: str, notes: list[str]) -> str:
    """The copy that is meant. An average equal to the base or to the trained weights leaves no choice."""
    if len(states) == 1:
        return next(iter(states))
    moved = {copy: _moved(state, base) for copy, state in states.items()}
    apart = any(not _equal(tensor, states["model"].get(name, base.get(name, tensor))) for name, tensor in states["ema"].items())
    if use is None and apart and moved["ema"] > 0:
        consequence = (
            f"holds trained weights and their average (EMA) of the {component}, which differ: relative changes "
            f"{moved['model']:.3g} and {moved['ema']:.3g}"
        )
        raise CheckFailed("checkpoint.two-copies", source, consequence, "say in the submission which is meant, `use: model` or `use: ema`")
    copy = use or "model"
    other = "model" if copy == "ema" else "ema"
    title = "averaged tensors (EMA)" if other == "ema" else "trained tensors without averaging"
    state = "equal to the base" if not moved[other] else "equal to those used" if not apart else f"relative change {moved[other]:.3g}"
    notes.append(f"{len(states[other])} {title} of the {component}, {state}")
    return copy


@torch.no_grad()
def _moved(state: StateDict, base: StateDict) -> float:
    """‖change‖ / ‖base‖ of the tensors that fit the base."""
    pairs = [(tensor, base[name]) for name, tensor in state.items() if name in base and base[name].shape == tensor.shape]
    return relative([0.0 if same(old, new) else squared(new.to(old.device).float() - old.float()) for new, old in pairs], base)
