"""One file of diffusers keys, whole or partial, as ESD, UCE, RECE or AdvUnlearn release it: bare, or prefixed by component."""

from __future__ import annotations

from unconceal.checkpoints.key_names import Base, by_component, component_of
from unconceal.checkpoints.release import OpenedCheckpoint, ReadCheckpoint
from unconceal.checkpoints.weights_file import Weights


def detect(opened: OpenedCheckpoint) -> bool:
    return isinstance(opened, Weights) and any(component_of(key) for key in opened.flat)


def read(opened: OpenedCheckpoint, base: Base) -> ReadCheckpoint:
    assert isinstance(opened, Weights)
    return ReadCheckpoint(by_component(opened.flat, str(opened.path)), unused_parts=opened.ignored)
