"""Classifiers trained on drawn images: the three metric extractors, and one that checks the metrics and is part of none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from unconceal.miniature.scene import BACKGROUND_NAMES, CHARACTER_NAMES, COLOUR_NAMES, SHAPE_NAMES, SIGN, STYLE_NAMES, Scene
from unconceal_lab.models.autoencoder import to_tensor
from unconceal_lab.models.optimizer import MuonAdamW
from unconceal_lab.models.scene_images import SceneImages
from unconceal_lab.models.training_loop import bfloat16_autocast, fit

HEADS: Mapping[str, tuple[str, ...]] = {
    "subject": (*SHAPE_NAMES, *CHARACTER_NAMES, SIGN),
    "style": STYLE_NAMES,
    "colour": COLOUR_NAMES,
    "background": BACKGROUND_NAMES,
}
Heads = Mapping[str, tuple[str, ...]]
IGNORE_INDEX = -100
"""Target of style and colour for images without one (characters, the sign); ignored by the loss."""


def class_indices(scene: Scene, heads: Heads = HEADS) -> tuple[int, int, int, int]:
    """Index of the scene's subject, style, colour and background among the classes of each head."""
    subject = scene.shape or scene.character or SIGN
    return (
        heads["subject"].index(subject),
        heads["style"].index(scene.style) if scene.style else IGNORE_INDEX,
        COLOUR_NAMES.index(scene.colour) if scene.colour else IGNORE_INDEX,
        BACKGROUND_NAMES.index(scene.background),
    )


def new_classifier(architecture: str, heads: Heads = HEADS) -> nn.Module:
    """A timm model with one linear layer for all four heads."""
    model: nn.Module = timm.create_model(architecture, num_classes=sum(map(len, heads.values())))
    return model


def split_logits(logits: torch.Tensor, heads: Heads = HEADS) -> dict[str, torch.Tensor]:
    """Logits (n, total number of classes) by head."""
    return dict(zip(heads, torch.split(logits, [len(names) for names in heads.values()], dim=1), strict=True))


def warp(x: torch.Tensor, noise: torch.Generator, pixels: float = 1.8, shade: float = 0.1) -> torch.Tensor:
    """Displace pixels smoothly and shade images unevenly, as samples of a model look.

    Args:
        x: images (n, c, h, w) in [-1, 1].
        noise: generator of the displacement.
        pixels: approximate maximal displacement.
        shade: maximal relative change of brightness.

    Returns:
        Warped images, shape of ``x``.
    """
    n, _, h, w = x.shape
    coarse = torch.rand((n, 3, 6, 6), generator=noise) * 2 - 1
    smooth = functional.interpolate(coarse, (h, w), mode="bicubic", align_corners=True)
    displacement, shading = smooth[:, :2], smooth[:, 2:]
    grid = functional.affine_grid(torch.eye(2, 3).expand(n, 2, 3), [n, 1, h, w], align_corners=False)
    grid = grid + displacement.permute(0, 2, 3, 1) * (2 * pixels / w)
    warped: torch.Tensor = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    return warped * (1 + shade * shading)


def augment(x: torch.Tensor, rng: np.random.Generator, noise: torch.Generator, use_warp: bool = False) -> torch.Tensor:
    """Add noise to half of the batches and a slight blur to a third, since generated images are noisier than drawn ones.

    Args:
        x: images (n, 3, h, w) in [-1, 1].
        rng: decides which augmentations apply.
        noise: generator of noise and displacement.
        use_warp: also warp and shade two thirds of the batches.

    Returns:
        Augmented images, shape and range of ``x``.
    """
    if use_warp and rng.random() < 2 / 3:
        x = warp(x, noise)
    if rng.random() < 1 / 3:
        x = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    if rng.random() < 0.5:
        x = x + 0.12 * rng.random() * torch.randn(x.shape, generator=noise)
    return x.clamp(-1, 1)


def image_batch(
    images: SceneImages, rows: NDArray[np.int64], reconstructions: torch.Tensor | None, rng: np.random.Generator
) -> torch.Tensor:
    """The images at ``rows`` as float32 (n, 3, 64, 64) in [-1, 1].

    Each image that has a VAE reconstruction is replaced by it with probability one half.
    """
    x = to_tensor(images.pixels[rows])
    if reconstructions is not None:
        use_reconstruction = torch.from_numpy((rows < len(reconstructions)) & (rng.random(len(rows)) < 0.5))
        x[use_reconstruction] = to_tensor(reconstructions[torch.from_numpy(rows)[use_reconstruction]].numpy())
    return x


def train_classifier(
    name: str,
    architecture: str,
    images: SceneImages,
    work_dir: Path,
    steps: int,
    seed: int,
    batch_size: int = 64,
    muon_learning_rate: float = 0,
    reconstructions: torch.Tensor | None = None,
    use_warp: bool = False,
    heads: Heads = HEADS,
    log: Callable[[str], None] = print,
) -> tuple[nn.Module, float]:
    """Train a classifier with four heads: subject, style, colour, background.

    Args:
        name: names the saved state and the log lines.
        architecture: name of a timm model.
        images: training images.
        work_dir: where the training saves its state and resumes.
        steps: number of optimizer steps.
        seed: seed of weights, batches and augmentation.
        batch_size: images per step.
        muon_learning_rate: learning rate of Muon; 0 trains with AdamW alone.
        reconstructions: VAE reconstructions of the first images, uint8 (m, 64, 64, 3), m ≤ n.
        use_warp: also warp and shade images.
        heads: classes of each head.
        log: receives one line per report.

    Returns:
        The classifier in evaluation mode and the processor minutes of the training.
    """
    torch.manual_seed(seed)
    model = new_classifier(architecture, heads)
    optimizer = MuonAdamW(model, muon_learning_rate, 1e-3)
    labels = torch.tensor([class_indices(scene, heads) for scene in images.scenes])

    def loss(rng: np.random.Generator, noise: torch.Generator, progress: float) -> torch.Tensor:
        rows = np.sort(rng.integers(len(images), size=batch_size))
        x = image_batch(images, rows, reconstructions, rng)
        with bfloat16_autocast():
            logits = model(augment(x, rng, noise, use_warp))
        logits_by_head = split_logits(logits.float(), heads)
        losses = [
            functional.cross_entropy(head_logits, labels[rows, i], ignore_index=IGNORE_INDEX)
            for i, head_logits in enumerate(logits_by_head.values())
        ]
        return torch.stack(losses).sum()

    minutes = fit(name, model, loss, optimizer, steps, seed, work_dir, average=0.99, log=log)
    return model, minutes


@torch.inference_mode()
def class_probabilities(
    model: nn.Module, pixels: NDArray[np.uint8], batch_size: int = 64, heads: Heads = HEADS
) -> dict[str, NDArray[np.float32]]:
    """Probability of each class by head, (n, classes), for uint8 images (n, 64, 64, 3)."""
    blocks = [model(to_tensor(pixels[i : i + batch_size])) for i in range(0, len(pixels), batch_size)]
    return {head: head_logits.softmax(1).numpy() for head, head_logits in split_logits(torch.cat(blocks), heads).items()}


def classify(model: nn.Module, pixels: NDArray[np.uint8], batch_size: int = 64, heads: Heads = HEADS) -> dict[str, list[str]]:
    """The most likely class of each head for uint8 images (n, 64, 64, 3)."""
    return most_likely_classes(class_probabilities(model, pixels, batch_size, heads), heads)


def most_likely_classes(results: Mapping[str, NDArray[np.float32]], heads: Heads = HEADS) -> dict[str, list[str]]:
    """Names of the most likely class of each head, from probabilities (n, classes)."""
    return {head: [heads[head][i] for i in rows.argmax(1).tolist()] for head, rows in results.items()}
