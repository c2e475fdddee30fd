from __future__ import annotations

import numpy as np
import pytest
import torch

from codes import raises
from unconceal.metrics.kid import kid, kid_per_prompt, scaled_to_sqrt_dim


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
    result = kid(x, y, n_subsets=3)
    assert result is not None
    assert result.mean == pytest.approx(unbiased_mmd(x, y), rel=1e-9)
    assert result.std == pytest.approx(0, abs=1e-9)


def test_kid_of_larger_sets_averages_subsets_and_keeps_the_global_seed() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(80, 6)), rng.normal(0.5, 1, size=(70, 6))
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second = kid(x, y, seed=5), kid(x, y, seed=5)
    assert first == second and first is not None and first.std > 0
    assert torch.rand(1) == expected
    assert first.mean == pytest.approx(unbiased_mmd(x[:70], y), rel=0.2)


def test_kid_needs_ten_pictures() -> None:
    assert kid(np.zeros((9, 4)), np.zeros((30, 4))) is None


def test_within_prompts_it_is_the_unbiased_mmd_of_each() -> None:
    rng = np.random.default_rng(3)
    unlearned, base = rng.normal(size=(2, 3, 8)), rng.normal(size=(2, 3, 8))
    cosines = [[rows * 8**0.5 / np.linalg.norm(rows, axis=1)[:, None] for rows in pair] for pair in zip(unlearned, base, strict=True)]
    assert kid_per_prompt(unlearned, base) == pytest.approx([unbiased_mmd(*pair) for pair in cosines])


def test_within_prompts_equal_models_come_out_near_0() -> None:
    """Prompts far apart, two seeds of each: pooled over prompts, KID would lie below 0 by about the spread between prompts."""
    rng = np.random.default_rng(4)
    prompts = 3 * rng.normal(size=(60, 1, 16))
    unlearned, base = (prompts + rng.normal(size=(60, 2, 16)) for _ in range(2))
    within = kid_per_prompt(unlearned, base)
    assert abs(within.mean()) < 3 * within.std() / np.sqrt(60)
    blocks = [slice(i, i + 6) for i in range(0, 60, 6)]
    flat = [[scaled_to_sqrt_dim(side[block]).reshape(-1, 16) for side in (unlearned, base)] for block in blocks]
    pooled = [kid(features, reference) for features, reference in flat]
    assert np.mean([estimate.mean for estimate in pooled if estimate]) < -0.2


def test_defaults_are_those_documented() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    assert kid(x, y) == kid(x, y, 100, 0) and kid(x, y) != kid(x, y, seed=1)
    assert kid(x[:10], y) is not None


def test_prompts_with_one_image_have_no_kid() -> None:
    features = np.random.default_rng(5).normal(size=(3, 1, 4))
    assert np.isnan(kid_per_prompt(features, np.random.default_rng(6).normal(size=(3, 4, 4)))).all()
    with pytest.raises(ValueError, match="zip"):
        kid_per_prompt(np.ones((3, 2, 4)), np.ones((2, 2, 4)))


def test_integers_are_features_too() -> None:
    rng = np.random.default_rng(7)
    x, y = rng.integers(0, 9, (12, 4)), rng.integers(0, 9, (12, 4))
    assert kid(x, y) == kid(x.astype(float), y.astype(float))


def test_the_number_of_subsets_is_the_one_asked_for() -> None:
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(60, 4)), rng.normal(size=(60, 4))
    assert len({kid(x, y, n_subsets=n) for n in (2, 3, 100)}) == 3


@pytest.mark.parametrize(
    ("features", "code"),
    [
        (np.zeros((20, 6), np.uint8), "kid.no-features"),
        (np.zeros((20, 6), bool), "kid.no-features"),
        (np.full((20, 6), np.nan), "kid.not-finite"),
        (np.full((20, 6), np.inf), "kid.not-finite"),
    ],
)
def test_what_are_no_features_is_refused(features: np.ndarray, code: str) -> None:
    with raises(code):
        kid(features, np.ones((20, 6)))
    with raises(code):
        kid_per_prompt(features[None], np.ones((1, 20, 6)))
