from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unconceal.judges.finetune import fine_tune, triplet_loss
from unconceal.metrics.statistics import auc
from unconceal.specs.suite import FineTune

Squares = Callable[..., NDArray[np.uint8]]
SETTINGS = FineTune(epochs=1, batch_size=8, learning_rate=1e-3, momentum=0.9, triplet_margin=1.0)


def test_equal_seeds_give_equal_bytes_and_leave_the_global_seed_alone(resnet_weights: Path, squares: Squares) -> None:
    original, unlearned = squares(16, 0, red=True), squares(16, 1, red=False)
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    first = fine_tune("resnet18", resnet_weights, original, unlearned, SETTINGS, seed=5)
    assert torch.rand(1) == expected
    again = fine_tune("resnet18", resnet_weights, original, unlearned, SETTINGS, seed=5)
    other = fine_tune("resnet18", resnet_weights, original, unlearned, SETTINGS, seed=6)
    pictures = squares(6, 2, red=True)
    item, two, three = (classifier.predict(pictures) for classifier in (first, again, other))
    assert item.features.tobytes() == two.features.tobytes() and item.logits.tobytes() == two.logits.tobytes()
    assert item.features.tobytes() != three.features.tobytes()
    np.testing.assert_allclose(np.linalg.norm(item.features, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(first.logits(pictures), item.logits)
    np.testing.assert_array_equal(first.features(pictures), item.features)


def test_fine_tuning_separates_the_two_sets(resnet_weights: Path, squares: Squares) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 4, "learning_rate": 5e-3})
    classifier = fine_tune("resnet18", resnet_weights, squares(24, 0, red=True), squares(24, 1, red=False), settings, seed=0)
    held_out = np.concatenate([squares(12, 2, red=True), squares(12, 3, red=False)])
    logits = classifier.logits(held_out)
    assert auc(logits[:, 1] - logits[:, 0], np.arange(24) < 12) > 0.9


def test_triplet_loss_by_hand() -> None:
    """Two classes of two points: the positive has no choice; with many draws the hardest negative is the nearest."""
    pooled = torch.tensor([[0.0, 0.0], [0.0, 3.0], [4.0, 0.0], [4.0, 1.0]])
    labels = torch.tensor([1, 1, 0, 0])
    draws = torch.Generator().manual_seed(0)
    loss = triplet_loss(pooled, labels, 1.0, 60, draws)
    to_nearest = [4, np.hypot(4, 2), 4, np.hypot(4, 1)]
    expected = np.mean([max(0, same - other + 1) for same, other in zip([3, 3, 1, 1], to_nearest, strict=True)])
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_triplet_loss_without_pairs_is_zero() -> None:
    draws = torch.Generator().manual_seed(0)
    assert float(triplet_loss(torch.ones(3, 2), torch.tensor([1, 1, 1]), 1.0, 3, draws)) == 0
    assert float(triplet_loss(torch.eye(2), torch.tensor([0, 1]), 1.0, 3, draws)) == 0
