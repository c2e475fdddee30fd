"""Small pictures with a plain difference, and extractors of random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from numpy.typing import NDArray

from unconceal.judges import extractors

Squares = Callable[..., NDArray[np.uint8]]


def _squares(n: int, seed: int, red: bool) -> NDArray[np.uint8]:
    """Noisy grey pictures (n, 64, 64, 3) with a red or blue square."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(100, 160, (n, 64, 64, 3)).astype(np.uint8)
    for picture in pixels:
        y, x = rng.integers(4, 30, 2)
        picture[y : y + 28, x : x + 28] = (220, 30, 30) if red else (30, 30, 220)
    return pixels


@pytest.fixture(scope="session")
def squares() -> Squares:
    return _squares


@pytest.fixture(scope="session")
def resnet_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    torch.manual_seed(0)
    extractors.save(timm.create_model("resnet18", num_classes=0), path)
    return path
