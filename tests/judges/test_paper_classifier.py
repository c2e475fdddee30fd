from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from unconceal.judges import extractors
from unconceal.judges.paper_classifier import fine_tune_as_released, hardest_triplet_loss, triplet_indices
from unconceal.specs.paper_protocol import PaperProtocol


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    torch.manual_seed(0)
    extractors.save(timm.create_model("resnet18", num_classes=0), path)
    return path


def test_triplets_are_what_they_are_called() -> None:
    labels = torch.tensor([0] * 5 + [1] * 4)
    rows = torch.arange(9)
    for seed in range(20):
        anchor, positive, *negatives = triplet_indices(labels, rows, 3, torch.Generator().manual_seed(seed))
        assert torch.equal(anchor, rows) and len(negatives) == 3
        assert (labels[positive] == labels).all() and (positive != rows).all()
        assert all((labels[negative] != labels).all() for negative in negatives)


def test_positives_come_from_outside_the_batch_too() -> None:
    labels, rows = torch.tensor([0] * 20 + [1] * 20), torch.tensor([0, 1])
    observed = {int(i) for seed in range(40) for i in triplet_indices(labels, rows, 3, torch.Generator().manual_seed(seed))[1]}
    assert len(observed) > 10


def test_the_triplet_loss_by_hand() -> None:
    rng = np.random.default_rng(0)
    a, p = rng.normal(size=(4, 6)), rng.normal(size=(4, 6))
    n = rng.normal(size=(3, 4, 6))
    rows = []
    for i in range(4):
        far = min(float(np.linalg.norm(a[i] - n[j, i])) for j in range(3))
        rows.append(max(0.0, float(np.linalg.norm(a[i] - p[i])) - far + 1))
    result = hardest_triplet_loss(torch.tensor(a), torch.tensor(p), torch.tensor(n), 1.0)
    assert float(result) == pytest.approx(np.mean(rows))


def test_the_classifier_separates_two_kinds_of_image(weights: Path) -> None:
    rng = np.random.default_rng(0)
    dark, light = (rng.integers(low, low + 90, size=(30, 32, 32, 3)).astype(np.uint8) for low in (0, 160))
    paper = PaperProtocol(n_images=30, epochs=3, batch_size=8)
    trained = fine_tune_as_released("resnet18", weights, light, dark, paper, seed=0)
    assert trained.accuracy > 0.9
    assert (trained.classifier.logits(light).argmax(axis=1) == 1).mean() > 0.9
    again = fine_tune_as_released("resnet18", weights, light, dark, paper, seed=0)
    assert np.array_equal(trained.classifier.logits(dark), again.classifier.logits(dark))
