from __future__ import annotations

import numpy as np
import pytest
import torch

from unconceal.metrics.kid import kid


def unbiased_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Squared MMD with the kernel (x·y / d + 1)³, summed pair by pair."""
    n, d = x.shape

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / d + 1) ** 3)

    within = sum(k(x[i], x[j]) + k(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return float(within - 2 * sum(k(a, b) for a in x for b in y) / n**2)


def test_kid_is_the_unbiased_mmd_when_a_subset_is_everything() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 6)), rng.normal(0.5, 1, size=(20, 6))
    result = kid(x, y, subsets=3)
    assert result is not None
    assert result.mean == pytest.approx(unbiased_mmd(x, y), rel=1e-9)
    assert result.deviation == pytest.approx(0, abs=1e-9)


def test_kid_of_larger_sets_averages_subsets_and_keeps_the_global_seed() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(80, 6)), rng.normal(0.5, 1, size=(70, 6))
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second = kid(x, y, seed=5), kid(x, y, seed=5)
    assert first == second and first is not None and first.deviation > 0
    assert torch.rand(1) == expected
    assert first.mean == pytest.approx(unbiased_mmd(x[:70], y), rel=0.2)


def test_kid_needs_ten_pictures() -> None:
    assert kid(np.zeros((9, 4)), np.zeros((30, 4))) is None
