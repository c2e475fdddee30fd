"""The formats that unlearning methods release, one file each.

``detect(path)``: whether a path is in the format, from what it holds. ``read(path)``: its tensors by component, without
component prefixes. ``whole``: every component it names is complete.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from unconceal.checkpoints.formats import components, pipeline, state_dict
from unconceal.checkpoints.names import StateDict


class Format(NamedTuple):
    detect: Callable[[Path], bool]
    read: Callable[[Path], dict[str, StateDict]]
    whole: bool


FORMATS: dict[str, Format] = {
    "pipeline": Format(pipeline.detect, pipeline.read, whole=True),
    "components": Format(components.detect, components.read, whole=True),
    "state-dict": Format(state_dict.detect, state_dict.read, whole=False),
}
"""Asked in this order; ``original`` (the base itself) has nothing to detect or to read."""
