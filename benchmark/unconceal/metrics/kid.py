"""Kernel Inception Distance between two sets of features, through torchmetrics."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn
from torchmetrics.image.kid import KernelInceptionDistance

LEAST_IMAGES, SUBSET = 10, 50


class Kid(NamedTuple):
    """Mean over random subsets and their standard deviation; 0 (or slightly below) for the same distribution, higher is farther."""

    mean: float
    deviation: float


def kid(one: ArrayLike, other: ArrayLike, subsets: int = 100, seed: int = 0, least: int = LEAST_IMAGES) -> Kid | None:
    """KID of two feature sets (n, d) and (m, d): squared MMD with the kernel (x·y / d + 1)³, subsets of min(n, m, 50).

    Args:
        one: pooled features, not normalised, of the un-fine-tuned extractor.
        other: the same of the pictures compared.
        subsets: random subsets averaged.
        seed: of the subsets.
        least: pictures below which nothing is said.

    Returns:
        None under ``least`` pictures on either side.
    """
    sets = [torch.from_numpy(np.asarray(rows, np.float64)) for rows in (one, other)]
    fewest = min(map(len, sets))
    if fewest < least:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that features are kept in memory: they already are
        metric = KernelInceptionDistance(feature=nn.Identity(), subsets=subsets, subset_size=min(fewest, SUBSET))
    metric.set_dtype(torch.float64)
    metric.update(sets[0], real=True)
    metric.update(sets[1], real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, deviation = metric.compute()
    return Kid(float(mean), float(deviation))


def kid_within(one: ArrayLike, other: ArrayLike) -> NDArray[np.float64]:
    """KID prompt by prompt of features (p, s, d) and (p, t, d) of other seeds, OURS: (p,), about 0 where nothing changed.

    Both sides show the same prompts. Across prompts, pictures of one prompt would meet over the two sides more often than within one,
    which pulls KID far below 0 for the few prompts of a concept; within prompts it is unbiased from two pictures on. Features are
    stretched to length √d, so that the kernel is (cosine + 1)³, at most 8.
    """
    ours, theirs = (stretched(part) for part in (one, other))
    found = [kid(mine, yours, subsets=1, least=2) for mine, yours in zip(ours, theirs, strict=True)]
    return np.asarray([np.nan if value is None else value.mean for value in found], np.float64)


def stretched(features: ArrayLike) -> NDArray[np.float64]:
    """Features (…, d) of length √d."""
    rows = np.asarray(features, np.float64)
    return np.asarray(rows * np.sqrt(rows.shape[-1]) / np.linalg.norm(rows, axis=-1, keepdims=True))
