"""diffusers' and transformers' keys, whole or partial, bare or by component, as ESD, UCE, RECE or Ablating Concepts save them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unconceal.checkpoints.key_names import Base, StateDict, component_of
from unconceal.checkpoints.release import Group, Reading


def select(keys: Sequence[str], component: str | None, metadata: Mapping[str, str]) -> list[str]:
    return [key for key in keys if component or component_of(key)]


def read(group: Group, base: Base) -> Reading:
    tensors: dict[str, StateDict] = {}
    for key, tensor in group.tensors.items():
        component = group.component or component_of(key)
        assert component
        tensors.setdefault(component, {})[key] = tensor
    return Reading(frozenset(group.tensors), tensors=tensors)
