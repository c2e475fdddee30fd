"""The two-way classifier h of a submission: an extractor fine-tuned to tell λO ("original") from λU ("unlearned").

Recipe as released for arXiv 2409.05668: full fine-tune, SGD with momentum, cross-entropy plus triplet loss with equal weights,
batch norm in training mode. OURS: positives and negatives are drawn inside the batch, so that a step is one forward pass, not five;
the whole set is trained on, because held-out images come from other seeds; batches are of near-equal size.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from unconceal.judges import extractors
from unconceal.judges.extractors import ImageArray

if TYPE_CHECKING:
    from unconceal.specs.suite import FineTune

UNLEARNED, ORIGINAL = 0, 1
"""Columns of the logits."""


class ClassifierOutput(NamedTuple):
    """Of n images: ``features`` (n, d), L2-normalised; ``logits`` (n, 2), columns (unlearned, original)."""

    features: NDArray[np.float32]
    logits: NDArray[np.float32]


class Classifier:
    """φ and h of one (submission, extractor)."""

    def __init__(self, extractor: extractors.Extractor, head: nn.Linear) -> None:
        self.extractor, self.head = extractor.eval(), head.eval()

    @torch.inference_mode()
    def predict(self, pixels: ImageArray, batch_size: int = 64) -> ClassifierOutput:
        """Features and logits of uint8 images (n, h, w, 3) in one pass."""
        pooled = extractors.pooled_features(self.extractor, pixels, batch_size)
        logits = self.head(torch.from_numpy(pooled).to(self.head.weight.device)).cpu().numpy()
        return ClassifierOutput(extractors.l2_normalized(pooled), logits)

    def features(self, pixels: ImageArray) -> NDArray[np.float32]:
        """φ(x), (n, d), L2-normalised."""
        return self.predict(pixels).features

    def logits(self, pixels: ImageArray) -> NDArray[np.float32]:
        """h(x), (n, 2), columns (unlearned, original)."""
        return self.predict(pixels).logits


def fine_tune(
    name: str,
    weights: Path | None,
    original: ImageArray,
    unlearned: ImageArray,
    settings: FineTune,
    seed: int,
    device: str = "cpu",
) -> Classifier:
    """Fine-tune one extractor on λO against λU, all forget prompts of a task together.

    Args:
        name: extractor, see :mod:`unconceal.judges.extractors`.
        weights: initial weights; None: ImageNet weights from the Hub.
        original: λO of the train block, uint8 (n, h, w, 3).
        unlearned: λU of the train block, uint8 (m, h, w, 3).
        settings: epochs, batch size, learning rate, momentum, triplet margin, negatives.
        seed: of the order, the triplets and the head's initial weights. Equal seed, threads and device give equal bytes.
        device: where it is trained.
    """
    labels = torch.tensor([UNLEARNED] * len(unlearned) + [ORIGINAL] * len(original))
    generator = torch.Generator().manual_seed(seed)
    extractor = extractors.load(name, weights).to(device)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = nn.Linear(extractor.width, 2).to(device)
        _train(extractor.train(), head, (unlearned, original), labels, settings, generator)
    return Classifier(extractor, head)


def _train(
    extractor: extractors.Extractor,
    head: nn.Linear,
    image_sets: tuple[ImageArray, ImageArray],
    labels: torch.Tensor,
    settings: FineTune,
    generator: torch.Generator,
) -> None:
    parameters = [*extractor.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=settings.learning_rate, momentum=settings.momentum)
    for _ in range(settings.epochs):
        order = torch.randperm(len(labels), generator=generator)
        for rows in order.tensor_split(-(-len(order) // settings.batch_size)):
            pooled = extractor(extractor.prepare(concatenated_images(image_sets, rows.numpy())))
            truth = labels[rows].to(pooled.device)
            loss = functional.cross_entropy(head(pooled), truth)
            loss = loss + triplet_loss(pooled, truth, settings.triplet_margin, settings.n_negatives, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def concatenated_images(image_sets: tuple[ImageArray, ImageArray], indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Images by their index in the concatenation of both sets, (n, h, w, 3)."""
    n_first = len(image_sets[0])
    first = indices < n_first
    images = np.concatenate([image_sets[0][indices[first]], image_sets[1][indices[~first] - n_first]])
    order = np.concatenate([np.flatnonzero(first), np.flatnonzero(~first)])
    return np.asarray(images[np.argsort(order)])


def triplet_loss(pooled: torch.Tensor, labels: torch.Tensor, margin: float, n_negatives: int, generator: torch.Generator) -> torch.Tensor:
    """Mean over anchors of max(0, |a − p| − |a − n| + margin), Euclidean on un-normalised features (b, d).

    p: one random image of the anchor's class; n: the nearest ("hardest") of ``n_negatives`` random ones of the other class, drawn with
    replacement. Anchors without either are left out; 0 if none is left.

    Args:
        pooled: (b, d) features, not normalised.
        labels: (b,) classes.
        margin: of the triplets.
        n_negatives: negatives drawn per anchor.
        generator: of the draws.

    Returns:
        A scalar, at least 0.
    """
    same = labels[:, None] == labels[None, :]
    others = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    usable = others.any(dim=1) & (~same).any(dim=1)
    if not usable.any():
        return pooled.sum() * 0
    positive = torch.multinomial(others[usable].float().cpu(), 1, generator=generator).to(pooled.device)
    negative = torch.multinomial((~same)[usable].float().cpu(), n_negatives, replacement=True, generator=generator).to(pooled.device)
    anchors = pooled[usable][:, None]
    near = (anchors - pooled[positive]).norm(dim=2).squeeze(1)
    far = (anchors - pooled[negative]).norm(dim=2).amin(dim=1)
    return functional.relu(near - far + margin).mean()
