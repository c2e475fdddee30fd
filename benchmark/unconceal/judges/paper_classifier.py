"""The classifier of protocol ``paper``: one per (method, prompt, extractor), trained as released for arXiv 2409.05668.

Full fine-tune, SGD; cross-entropy plus triplet loss with equal weights. Positives and negatives come from the whole training split, not
from the batch, so a step is five forward passes (:mod:`unconceal.judges.finetune` needs one). The split is by image.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from unconceal.judges import extractors
from unconceal.judges.finetune import ORIGINAL, UNLEARNED, Classifier
from unconceal.specs.paper_protocol import PaperProtocol


class TrainedClassifier(NamedTuple):
    """``accuracy``: on the held-out images, in [0, 1]."""

    classifier: Classifier
    accuracy: float


def fine_tune_as_released(
    name: str,
    weights: Path | None,
    original: NDArray[np.uint8],
    unlearned: NDArray[np.uint8],
    paper: PaperProtocol,
    seed: int,
    device: str = "cpu",
) -> TrainedClassifier:
    """Train on λO against λU of one prompt. Equal seed, threads and device give equal bytes.

    Args:
        name: extractor, see :mod:`unconceal.judges.extractors`.
        weights: initial weights; None: ImageNet weights from the Hub.
        original: λO, uint8 (n, h, w, 3).
        unlearned: λU, uint8 (m, h, w, 3).
        paper: the protocol's values.
        seed: of split, order, triplets and the head's initial weights.
        device: where it is trained.
    """
    pixels = np.concatenate([unlearned, original])
    labels = torch.tensor([UNLEARNED] * len(unlearned) + [ORIGINAL] * len(original))
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    held_out, train = order.tensor_split([max(1, round(paper.held_out_fraction * len(order)))])
    extractor = extractors.load(name, weights).to(device)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = nn.Linear(extractor.width, 2).to(device)
        _train(extractor.train(), head, pixels[train.numpy()], labels[train], paper, generator)
    classifier = Classifier(extractor, head)
    answers = classifier.logits(pixels[held_out.numpy()]).argmax(axis=1)
    return TrainedClassifier(classifier, float((answers == labels[held_out].numpy()).mean()))


def _train(
    extractor: extractors.Extractor,
    head: nn.Linear,
    pixels: NDArray[np.uint8],
    labels: torch.Tensor,
    paper: PaperProtocol,
    generator: torch.Generator,
) -> None:
    optimizer = torch.optim.SGD([*extractor.parameters(), *head.parameters()], lr=paper.learning_rate, momentum=paper.momentum)
    for _ in range(paper.epochs):
        for rows in torch.split(torch.randperm(len(labels), generator=generator), paper.batch_size):
            if len(rows) < 2:
                continue  # batch norm needs two
            chosen = triplet_indices(labels, rows, paper.n_negatives, generator)
            anchors, positives, *negatives = (extractor(extractor.prepare(pixels[column.numpy()])) for column in chosen)
            loss = functional.cross_entropy(head(anchors), labels[rows].to(anchors.device))
            loss = loss + hardest_triplet_loss(anchors, positives, torch.stack(negatives), paper.triplet_margin)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def triplet_indices(labels: torch.Tensor, anchors: torch.Tensor, n_negatives: int, generator: torch.Generator) -> list[torch.Tensor]:
    """Indices of triplets: the anchors, one random other image of the same class each, and ``n_negatives`` of the other class each.

    Args:
        labels: (n,) classes.
        anchors: (b,) indices.
        n_negatives: negatives of each anchor, drawn with replacement.
        generator: of the draws.

    Returns:
        2 + ``n_negatives`` tensors (b,): anchors, positives, and the negatives.
    """
    same = labels[anchors][:, None] == labels[None, :]
    others = same.clone()
    others[torch.arange(len(anchors)), anchors] = False
    positive = torch.multinomial(others.float(), 1, generator=generator)
    negative = torch.multinomial((~same).float(), n_negatives, replacement=True, generator=generator)
    return [anchors, positive[:, 0], *negative.T]


def hardest_triplet_loss(anchors: torch.Tensor, positives: torch.Tensor, negatives: torch.Tensor, margin: float) -> torch.Tensor:
    """Mean of max(0, |a − p| − min over negatives |a − n| + margin); features (b, d), negatives (m, b, d), not normalised."""
    near = (anchors - positives).norm(dim=1)
    far = (anchors[None] - negatives).norm(dim=2).amin(dim=0)
    return functional.relu(near - far + margin).mean()
