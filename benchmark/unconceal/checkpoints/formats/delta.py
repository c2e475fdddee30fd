"""One file with a table for each changed component, ``{'unet': …, 'text_encoder': …}``, as Ablating Concepts releases it."""

from __future__ import annotations

from unconceal.checkpoints.key_names import Base
from unconceal.checkpoints.release import OpenedCheckpoint, ReadCheckpoint
from unconceal.checkpoints.weights_file import Weights
from unconceal.errors import CheckFailed
from unconceal.specs.submission import COMPONENTS


def detect(opened: OpenedCheckpoint) -> bool:
    return isinstance(opened, Weights) and any(component in opened.tables for component in COMPONENTS)


def read(opened: OpenedCheckpoint, base: Base) -> ReadCheckpoint:
    assert isinstance(opened, Weights)
    foreign = [name or next(iter(table)) for name, table in opened.tables.items() if name not in COMPONENTS]
    if foreign:
        consequence = f"holds {foreign[0]!r} beside its components, which nothing here applies, so the rest would be another model"
        raise CheckFailed("checkpoint.unknown-keys", str(opened.path), consequence, f"release tables of {', '.join(COMPONENTS)} alone")
    return ReadCheckpoint(opened.tables, unused_parts=opened.ignored)
