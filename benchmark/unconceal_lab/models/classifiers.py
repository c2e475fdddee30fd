"""Classifiers trained on drawings: the three extractors, and the independent one that tells the truth about pictures."""

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
from unconceal_lab.models.drawings import Pictures
from unconceal_lab.models.optimizer import MuonAdamW
from unconceal_lab.models.training_loop import fit, half_precision

HEADS: Mapping[str, tuple[str, ...]] = {
    "subject": (*SHAPE_NAMES, *CHARACTER_NAMES, SIGN),
    "style": STYLE_NAMES,
    "colour": COLOUR_NAMES,
    "background": BACKGROUND_NAMES,
}
Heads = Mapping[str, tuple[str, ...]]
UNSTYLED = -100
"""Target of style and colour where the picture has none (characters, the sign): left out of the loss."""


def targets(scene: Scene, heads: Heads = HEADS) -> tuple[int, int, int, int]:
    subject = scene.shape or scene.character or SIGN
    return (
        heads["subject"].index(subject),
        heads["style"].index(scene.style) if scene.style else UNSTYLED,
        COLOUR_NAMES.index(scene.colour) if scene.colour else UNSTYLED,
        BACKGROUND_NAMES.index(scene.background),
    )


def new(architecture: str, heads: Heads = HEADS) -> nn.Module:
    """A timm model whose one linear layer holds all four heads."""
    model: nn.Module = timm.create_model(architecture, num_classes=sum(map(len, heads.values())))
    return model


def split(logits: torch.Tensor, heads: Heads = HEADS) -> dict[str, torch.Tensor]:
    """Logits (n, all names) by head."""
    return dict(zip(heads, torch.split(logits, [len(names) for names in heads.values()], dim=1), strict=True))


def warp(x: torch.Tensor, noise: torch.Generator, pixels: float = 1.8, shade: float = 0.1) -> torch.Tensor:
    """Each picture bent smoothly by up to about ``pixels`` and shaded unevenly by up to ``shade``: hand-drawn, as samples look."""
    n, _, h, w = x.shape
    coarse = torch.rand((n, 3, 6, 6), generator=noise) * 2 - 1
    smooth = functional.interpolate(coarse, (h, w), mode="bicubic", align_corners=True)
    bent, shaded = smooth[:, :2], smooth[:, 2:]
    grid = functional.affine_grid(torch.eye(2, 3).expand(n, 2, 3), [n, 1, h, w], align_corners=False)
    grid = grid + bent.permute(0, 2, 3, 1) * (2 * pixels / w)
    moved: torch.Tensor = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
    return moved * (1 + shade * shaded)


def augment(x: torch.Tensor, rng: np.random.Generator, noise: torch.Generator, warped: bool = False) -> torch.Tensor:
    """Half of the batches get noise, a third a slight blur: generated pictures are not as clean as drawings.

    ``warped``: two thirds are bent and shaded as well.
    """
    if warped and rng.random() < 2 / 3:
        x = warp(x, noise)
    if rng.random() < 1 / 3:
        x = functional.avg_pool2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    if rng.random() < 0.5:
        x = x + 0.12 * rng.random() * torch.randn(x.shape, generator=noise)
    return x.clamp(-1, 1)


def seen(pictures: Pictures, rows: NDArray[np.int64], softened: torch.Tensor | None, rng: np.random.Generator) -> torch.Tensor:
    """The pictures ``rows`` as tensors; half of those that exist after a VAE round trip come from there."""
    x = to_tensor(pictures.pixels[rows])
    if softened is not None:
        fitting = torch.from_numpy((rows < len(softened)) & (rng.random(len(rows)) < 0.5))
        x[fitting] = to_tensor(softened[torch.from_numpy(rows)[fitting]].numpy())
    return x


def train(
    name: str,
    architecture: str,
    pictures: Pictures,
    work: Path,
    steps: int,
    seed: int,
    batch: int = 64,
    muon_rate: float = 0,
    softened: torch.Tensor | None = None,
    warped: bool = False,
    heads: Heads = HEADS,
    say: Callable[[str], None] = print,
) -> tuple[nn.Module, float]:
    """A classifier over all four heads, and its processor minutes.

    ``softened``: the same pictures after a VAE round trip, uint8 (m, 64, 64, 3), m ≤ n; half of each batch comes from them.
    """
    torch.manual_seed(seed)
    model = new(architecture, heads)
    optimiser = MuonAdamW(model, muon_rate, 1e-3)
    truth = torch.tensor([targets(scene, heads) for scene in pictures.scenes])

    def loss(rng: np.random.Generator, noise: torch.Generator, step_share: float) -> torch.Tensor:
        rows = np.sort(rng.integers(len(pictures), size=batch))
        x = seen(pictures, rows, softened, rng)
        with half_precision():
            logits = model(augment(x, rng, noise, warped))
        parts = split(logits.float(), heads)
        losses = [functional.cross_entropy(part, truth[rows, i], ignore_index=UNSTYLED) for i, part in enumerate(parts.values())]
        return torch.stack(losses).sum()

    minutes = fit(name, model, loss, optimiser, steps, seed, work, average=0.99, say=say)
    return model, minutes


@torch.inference_mode()
def probabilities(model: nn.Module, pixels: NDArray[np.uint8], batch: int = 64, heads: Heads = HEADS) -> dict[str, NDArray[np.float32]]:
    """How likely each head holds each of its names, (n, names), for uint8 pictures (n, 64, 64, 3)."""
    blocks = [model(to_tensor(pixels[i : i + batch])) for i in range(0, len(pixels), batch)]
    return {head: part.softmax(1).numpy() for head, part in split(torch.cat(blocks), heads).items()}


def recognise(model: nn.Module, pixels: NDArray[np.uint8], batch: int = 64, heads: Heads = HEADS) -> dict[str, list[str]]:
    """Names that each head gives to uint8 pictures (n, 64, 64, 3)."""
    return named(probabilities(model, pixels, batch, heads), heads)


def named(found: Mapping[str, NDArray[np.float32]], heads: Heads = HEADS) -> dict[str, list[str]]:
    """The likeliest name of each head."""
    return {head: [heads[head][i] for i in rows.argmax(1).tolist()] for head, rows in found.items()}
