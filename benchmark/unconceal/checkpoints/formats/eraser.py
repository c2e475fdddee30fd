"""Receler's erasers (arXiv 2311.17717): a bottleneck behind every cross-attention, ``x + up(GELU(down(x)))``, keyed by attention block."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from unconceal.checkpoints.key_names import ELSEWHERE, Base, StateDict
from unconceal.checkpoints.release import Group, Reading
from unconceal.checkpoints.weights_file import shortened
from unconceal.errors import CheckFailed

KEY = re.compile(r"((?:down|up)_blocks\.\d+\.attentions\.\d+|mid_block\.attentions\.\d+)\.((?:down|up)\.(?:weight|bias))")
PARTS = {"down.weight", "down.bias", "up.weight", "up.bias"}
TYPE, TYPES = "eraser_type", ("adapter",)
"""Setting of ``eraser_config.json``, and its published values."""


def select(keys: Sequence[str], component: str | None, metadata: Mapping[str, str]) -> list[str]:
    return [key for key in keys if KEY.fullmatch(key)] if component in (None, "unet") else []


def read(group: Group, base: Base) -> Reading:
    stated = group.file.settings.get(TYPE, TYPES[0])
    if stated not in TYPES:
        consequence = f"is of the type {shortened(repr(stated))}, which no paper describes"
        raise CheckFailed("eraser.unsupported", group.source, consequence, "release erasers of the type 'adapter'")
    erasers: dict[str, StateDict] = {}
    for key, tensor in group.tensors.items():
        match = KEY.fullmatch(key)
        assert match
        erasers.setdefault(match[1], {})[match[2]] = tensor
    incomplete = next((name for name, parts in erasers.items() if parts.keys() != PARTS), None)
    if incomplete:
        consequence = f"lacks {', '.join(sorted(PARTS - erasers[incomplete].keys()))} of the eraser of {incomplete!r}"
        raise CheckFailed("eraser.incomplete", group.source, consequence, "release eraser_weights.pt as the method saves it")
    if "unet" not in base:
        raise CheckFailed("checkpoint.unknown-component", group.source, "holds erasers of a UNet, which the base does not have", ELSEWHERE)
    return Reading(frozenset(group.tensors), erasers=erasers)
