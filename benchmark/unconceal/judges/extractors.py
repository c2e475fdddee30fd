"""The three feature extractors φ: pooled penultimate features of an image classifier."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from unconceal.errors import CheckFailed, EnvironmentFault, UsageError

EXTRACTOR_NAMES = ("resnet18", "densenet121", "efficientnet_b0")
"""timm architectures, in the order of every table."""


@dataclass(frozen=True)
class Preprocessing:
    """Input of an extractor: the image resized to ``size`` pixels (None: native), then (x / 255 − mean) / std."""

    size: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


NATIVE = Preprocessing(None, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""x / 127.5 − 1 at the size it has: for weights that come with a suite."""
IMAGENET = Preprocessing(256, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""As released, for ImageNet weights."""


class ImageArray(Protocol):
    """uint8 images (n, h, w, 3): an array, or one that is read lazily."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


class Extractor(nn.Module):
    """A backbone without its classifier, and its preprocessing. Calling it maps prepared (n, 3, h, w) to pooled features (n, d)."""

    def __init__(self, name: str, backbone: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.name, self.backbone, self.preprocessing = name, backbone, preprocessing

    @property
    def width(self) -> int:
        """d, the number of features."""
        return int(self.backbone.num_features)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.backbone(x)
        return pooled

    def prepare(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """:func:`prepare` with this extractor's preprocessing, on its device."""
        return prepare(pixels, self.preprocessing).to(next(self.parameters()).device)


def load(name: str, weights: Path | None) -> Extractor:
    """Load an extractor in evaluation mode, float32.

    Args:
        name: one of :data:`NAMES`.
        weights: safetensors of ``timm.create_model(name, num_classes=0).state_dict()``, or ImageNet weights as timm publishes them,
            recognised by their classifier; None: ImageNet weights from the Hub.

    Raises:
        UsageError: no such extractor.
        CheckFailed: the file does not hold this architecture.
        EnvironmentFault: the Hub could not be reached, or the file is missing.
    """
    if name not in EXTRACTOR_NAMES:
        raise UsageError("extractor.unknown", name, "no such extractor", f"choose one of {', '.join(EXTRACTOR_NAMES)}")
    with torch.random.fork_rng(devices=[]):  # timm draws a random start before it loads
        if weights is None:
            return Extractor(name, _from_hub(name), IMAGENET).eval()
        backbone, published = _from_file(name, weights)
    return Extractor(name, backbone, IMAGENET if published else NATIVE).eval()


def save(backbone: nn.Module, path: Path) -> None:
    """Save a backbone for :func:`load`: kernels in float16, norm statistics in float32."""
    tensors = {key: tensor.half() if tensor.ndim > 1 else tensor for key, tensor in backbone.state_dict().items()}
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path)


def prepare(pixels: NDArray[np.uint8], preprocessing: Preprocessing = NATIVE) -> torch.Tensor:
    """Preprocess images; antialiased bilinear where the size differs.

    Args:
        pixels: (n, h, w, 3) images, uint8.
        preprocessing: size, mean and standard deviation.

    Returns:
        (n, 3, size, size) normalised, float32.
    """
    x = torch.from_numpy(np.array(pixels, dtype=np.uint8)).permute(0, 3, 1, 2).float() / 255
    if preprocessing.size is not None and x.shape[-2:] != (preprocessing.size, preprocessing.size):
        x = functional.interpolate(x, (preprocessing.size, preprocessing.size), mode="bilinear", antialias=True, align_corners=False)
    mean, std = (torch.tensor(part)[:, None, None] for part in (preprocessing.mean, preprocessing.std))
    return ((x - mean) / std).contiguous()


@torch.inference_mode()
def pooled_features(extractor: Extractor, pixels: ImageArray, batch_size: int = 64) -> NDArray[np.float32]:
    """Pooled features before normalisation, as KID compares them.

    Args:
        extractor: with d features.
        pixels: (n, h, w, 3) images, uint8.
        batch_size: images per forward pass.

    Returns:
        (n, d) features, float32.
    """
    if not len(pixels):
        return np.zeros((0, extractor.width), np.float32)
    blocks = [extractor(extractor.prepare(pixels[i : i + batch_size])).float().cpu() for i in range(0, len(pixels), batch_size)]
    return np.asarray(torch.cat(blocks).numpy())


def normalized_features(extractor: Extractor, pixels: ImageArray, batch_size: int = 64) -> NDArray[np.float32]:
    """φ(x): L2-normalised features (n, d) of uint8 images (n, h, w, 3)."""
    return l2_normalized(pooled_features(extractor, pixels, batch_size))


def l2_normalized(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows (n, d) divided by their L2 norm."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)


def _from_hub(name: str) -> nn.Module:
    try:
        backbone: nn.Module = timm.create_model(name, pretrained=True, num_classes=0)
    except Exception as error:  # the Hub's client raises many unrelated exceptions
        raise EnvironmentFault(
            "hub.not-reached",
            f"ImageNet weights of {name} ({type(error).__name__})",
            "the extractor cannot be loaded",
            "connect to the Hugging Face Hub once, or point HF_HOME at a cache that holds them",
        ) from error
    return backbone


def _from_file(name: str, weights: Path) -> tuple[nn.Module, bool]:
    """A backbone with a file's weights, and whether they are published ImageNet weights; their classifier is dropped."""
    backbone: nn.Module = timm.create_model(name, num_classes=0)
    head = f"{backbone.default_cfg['classifier']}."  # type: ignore[index]
    try:
        stored = load_file(weights)
        tensors = {key: tensor for key, tensor in stored.items() if not key.startswith(head)}
        backbone.load_state_dict({key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in tensors.items()})
    except FileNotFoundError as error:
        raise EnvironmentFault(
            "extractor.missing", str(weights), "the extractor's weights are missing", "build or download the suite's judges"
        ) from error
    except (RuntimeError, SafetensorError) as error:
        raise CheckFailed(
            "extractor.wrong-weights", str(weights), f"not the weights of {name}", "restore the file that the suite pins"
        ) from error
    return backbone, len(tensors) < len(stored)
