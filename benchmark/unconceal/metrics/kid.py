"""Kernel Inception Distance between two sets of features, through torchmetrics."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn
from torchmetrics.image.kid import KernelInceptionDistance

LEAST_IMAGES, SUBSET = 10, 50


class Kid(NamedTuple):
    """Mean over random subsets and their standard deviation; 0 (or slightly below) for the same distribution, higher is farther."""

    mean: float
    deviation: float


def kid(
    one: ArrayLike, other: ArrayLike, subsets: int = 100, seed: int = 0, least: int = LEAST_IMAGES, share: float = 1.0
) -> Kid | None:
    """KID of two feature sets (n, d) and (m, d): squared MMD with the kernel (x·y / d + 1)³, subsets of min(share · n, share · m, 50).

    Args:
        one: pooled features, not normalised, of the un-fine-tuned extractor.
        other: the same of the pictures compared.
        subsets: random subsets averaged.
        seed: of the subsets.
        least: pictures below which nothing is said.
        share: of the pictures that a subset may take; subsets of all of them are the same one over again.

    Returns:
        None under ``least`` pictures on either side.
    """
    sets = [torch.from_numpy(np.asarray(rows, np.float64)) for rows in (one, other)]
    fewest = min(map(len, sets))
    if fewest < least:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that features are kept in memory: they already are
        metric = KernelInceptionDistance(feature=nn.Identity(), subsets=subsets, subset_size=min(int(fewest * share), SUBSET))
    metric.set_dtype(torch.float64)
    metric.update(sets[0], real=True)
    metric.update(sets[1], real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        mean, deviation = metric.compute()
    return Kid(float(mean), float(deviation))
