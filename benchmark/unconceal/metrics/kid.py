"""Kernel Inception Distance (KID) between two sets of features, by torchmetrics."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from torchmetrics.image.kid import KernelInceptionDistance

from unconceal.errors import CheckFailed

MIN_IMAGES, MAX_SUBSET_SIZE = 10, 50


class KidEstimate(NamedTuple):
    """Mean and standard deviation over random subsets. The mean is about 0 for equal distributions; higher is farther."""

    mean: float
    std: float


def kid(features: ArrayLike, reference: ArrayLike, n_subsets: int = 100, seed: int = 0, min_images: int = MIN_IMAGES) -> KidEstimate | None:
    """Squared MMD with the kernel (x·y / d + 1)³, averaged over random subsets of min(n, m, 50) images.

    Args:
        features: (n, d) pooled features of the images, not normalised, of the extractor before fine-tuning.
        reference: (m, d) the same of the reference images.
        n_subsets: random subsets.
        seed: of the subsets. The global random state is left as it is.
        min_images: fewest images on either side.

    Returns:
        The estimate; None if either side has fewer than ``min_images`` images. It is unbiased for independent sets, so it may be
        below 0, and of a set and itself it always is.

    Raises:
        CheckFailed: the features are no finite floating point numbers.
    """
    sets = [torch.from_numpy(checked_features(rows)) for rows in (features, reference)]
    size = min(map(len, sets))
    if size < min_images:
        return None
    with warnings.catch_warnings():
        # torchmetrics warns that features are kept in memory: they already are.
        warnings.simplefilter("ignore", UserWarning)
        metric = KernelInceptionDistance(feature=nn.Identity(), subsets=n_subsets, subset_size=min(size, MAX_SUBSET_SIZE))
    metric.set_dtype(torch.float64)
    metric.update(sets[0], real=True)
    metric.update(sets[1], real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, std = metric.compute()
    return KidEstimate(float(mean), float(std))


def checked_features(features: ArrayLike) -> NDArray[np.float64]:
    """Features as float64.

    Raises:
        CheckFailed: they are unsigned, as pixels are, or no numbers, or hold NaN or infinity.
    """
    rows = np.asarray(features)
    if rows.dtype.kind not in "if":
        raise CheckFailed("kid.no-features", f"numbers of type {rows.dtype}", "are pixels, no features", "give an extractor's features")
    if not np.isfinite(rows).all():
        raise CheckFailed("kid.not-finite", "features", "hold NaN or infinity, so KID is undefined", "look at the images")
    return rows.astype(np.float64)


def kid_per_prompt(features: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """KID within each prompt, OURS. Both sides show the same prompts, on different seeds.

    If prompts were pooled, images of one prompt would meet across the two sides more often than within one, which biases KID far
    below 0 for the few prompts of a concept. Within prompts it is unbiased from two images on. Features are scaled to length √d,
    so that the kernel is (cosine + 1)³, at most 8.

    Args:
        features: (p, s, d) features of s images of each of p prompts.
        reference: (p, t, d) features of t reference images of each prompt.

    Returns:
        (p,) KID, about 0 where nothing changed, higher is farther; NaN for prompts with fewer than two images on either side.
    """
    pairs = zip(scaled_to_sqrt_dim(features), scaled_to_sqrt_dim(reference), strict=True)
    estimates = [kid(rows, reference_rows, n_subsets=1, min_images=2) for rows, reference_rows in pairs]
    return np.asarray([np.nan if estimate is None else estimate.mean for estimate in estimates], np.float64)


def scaled_to_sqrt_dim(features: ArrayLike) -> NDArray[np.float64]:
    """Features (…, d) scaled to length √d."""
    rows = checked_features(features)
    return np.asarray(rows * np.sqrt(rows.shape[-1]) / np.linalg.norm(rows, axis=-1, keepdims=True))
