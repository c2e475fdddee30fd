"""The formats that unlearning methods release, one file each.

``detect(opened)``: whether a folder or an opened file is in the format, from what it holds. ``read(opened, base)``: the tensors
that it would replace in the base. File names do not matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from unconceal.checkpoints.formats import components, compvis, delta, lora, pipeline, spm, state_dict
from unconceal.checkpoints.key_names import Base
from unconceal.checkpoints.release import OpenedCheckpoint, ReadCheckpoint


class Format(NamedTuple):
    detect: Callable[[OpenedCheckpoint], bool]
    read: Callable[[OpenedCheckpoint, Base], ReadCheckpoint]


FORMATS: dict[str, Format] = {
    "pipeline": Format(pipeline.detect, pipeline.read),
    "lora": Format(lora.detect, lora.read),
    "spm": Format(spm.detect, spm.read),
    "components": Format(components.detect, components.read),
    "compvis": Format(compvis.detect, compvis.read),
    "delta": Format(delta.detect, delta.read),
    "state-dict": Format(state_dict.detect, state_dict.read),
}
"""Tried in this order; at most one fits. ``original`` (the base itself) has nothing to detect or to read."""
