from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from unconceal.judges import augmentations


def test_fade_by_hand() -> None:
    pixels = np.asarray([[[[0, 127, 255]]]], np.uint8)
    np.testing.assert_array_equal(augmentations.fade(pixels, 1), pixels)
    np.testing.assert_array_equal(augmentations.fade(pixels, 0.5)[0, 0, 0], [64, 127, 191])
    assert len(np.unique(augmentations.fade(pixels, 0))) == 1


def test_blur_keeps_the_mean_and_shuffle_the_pixels() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    blurred = augmentations.blur(pixels, 2)
    np.testing.assert_allclose(blurred.mean((1, 2)), pixels.mean((1, 2)), atol=2)
    assert blurred.std() < pixels.std() / 3
    mixed = augmentations.shuffle(pixels, rng)
    assert (mixed != pixels).any()
    np.testing.assert_array_equal(np.sort(mixed[1].reshape(-1, 3), axis=0), np.sort(pixels[1].reshape(-1, 3), axis=0))
    np.testing.assert_array_equal(augmentations.shuffle(pixels, rng, tile=64), pixels)


def test_training_set_keeps_labels_of_light_and_spoils_heavy(squares: Callable[..., NDArray[np.uint8]]) -> None:
    pixels = squares(40, 0, red=True)
    names = [str(i) for i in range(40)]
    built = augmentations.training_set(pixels, {"subject": names, "style": names}, seed=1, softened=pixels[:10], damaged=pixels[:3])
    again = augmentations.training_set(pixels, {"subject": names, "style": names}, seed=1, softened=pixels[:10], damaged=pixels[:3])
    np.testing.assert_array_equal(built.pixels, again.pixels)
    assert built.labels["subject"] == names + names + names[:10] + names[:10] + ["unreadable"] * (4 + 1 + 2 + 3)
    assert len(built.pixels) == len(built.labels["style"]) == 110
    difference = np.abs(built.pixels[40:80].astype(int) - pixels).mean(axis=(1, 2, 3))
    assert difference.max() < 40 and (difference > 0).any()


def test_heavily_leaves_little_of_the_picture(squares: Callable[..., NDArray[np.uint8]]) -> None:
    pixels = squares(30, 0, red=True)
    spoilt = augmentations.made_unreadable(pixels, np.random.default_rng(2))
    likeness = [np.corrcoef(item.ravel(), other.ravel())[0, 1] for item, other in zip(pixels, spoilt, strict=True)]
    assert np.median(likeness) < 0.5


def test_unreadable_pictures() -> None:
    rng = np.random.default_rng(0)
    flat = augmentations.constant(5, 16, rng)
    assert flat.shape == (5, 16, 16, 3) and (flat == flat[:, :1, :1]).all()
    noise = augmentations.pure_noise(5, 16, rng)
    assert noise.shape == (5, 16, 16, 3) and noise.std(axis=(1, 2)).min() > 3
    assert augmentations.pure_noise(0, 16, rng).shape == (0, 16, 16, 3)
