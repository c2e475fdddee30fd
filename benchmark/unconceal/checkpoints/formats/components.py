"""Some folders of a diffusers layout (unet/, text_encoder/, vae/), or one such folder itself, as SDD or AdvUnlearn release them."""

from __future__ import annotations

from pathlib import Path

from unconceal.checkpoints.folders import holds_weights, read_folder
from unconceal.checkpoints.formats import lora, pipeline
from unconceal.checkpoints.key_names import Base, by_component
from unconceal.checkpoints.release import OpenedCheckpoint, ReadCheckpoint
from unconceal.specs.submission import COMPONENTS


def detect(opened: OpenedCheckpoint) -> bool:
    if not isinstance(opened, Path) or pipeline.detect(opened) or lora.detect(opened):
        return False
    return holds_weights(opened) or any(holds_weights(opened / component) for component in COMPONENTS)


def read(opened: OpenedCheckpoint, base: Base) -> ReadCheckpoint:
    assert isinstance(opened, Path)
    if holds_weights(opened):
        return ReadCheckpoint(by_component(read_folder(opened, opened), str(opened)), whole=True)
    present = [component for component in COMPONENTS if holds_weights(opened / component)]
    return ReadCheckpoint({component: read_folder(opened / component, opened) for component in present}, whole=True)
