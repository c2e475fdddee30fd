"""Some folders of a diffusers layout (unet/, text_encoder/, vae/), or one such folder itself, as SDD or AdvUnlearn release them."""

from __future__ import annotations

from pathlib import Path

from unconceal.checkpoints.names import COMPONENTS, StateDict, by_component
from unconceal.checkpoints.weights import holds_weights, read_folder


def detect(path: Path) -> bool:
    return path.is_dir() and (holds_weights(path) or any((path / component).is_dir() for component in COMPONENTS))


def read(path: Path) -> dict[str, StateDict]:
    if holds_weights(path):
        return by_component(read_folder(path), str(path))
    return {component: read_folder(path / component) for component in COMPONENTS if (path / component).is_dir()}
