"""The formats that unlearning methods release, one file each.

``select(keys, component, metadata)``: which keys of one prefix of a weights file are in the format, from what they are. ``read(group,
base)``: how those tensors act on the base. File names do not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from unconceal.checkpoints.formats import compvis, embedding, eraser, flux_keys, lora, spm, state_dict
from unconceal.checkpoints.key_names import Base
from unconceal.checkpoints.release import Group, Reading


class Format(NamedTuple):
    select: Callable[[Sequence[str], str | None, Mapping[str, str]], list[str]]
    read: Callable[[Group, Base], Reading]


FORMATS: dict[str, Format] = {
    "spm": Format(spm.select, spm.read),
    "lora": Format(lora.select, lora.read),
    "eraser": Format(eraser.select, eraser.read),
    "embedding": Format(embedding.select, embedding.read),
    "compvis": Format(compvis.select, compvis.read),
    "flux": Format(flux_keys.select, flux_keys.read),
    "state-dict": Format(state_dict.select, state_dict.read),
}
"""Tried in this order; each selects from the keys that the ones before it left. Folders are made of such files."""
