"""Concept confidence score (CCS): the classifier's probability that an image comes from the original model."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

ORIGINAL = 1
"""Column of the class "original" (λO); column 0 is "unlearned" (λU)."""


def ccs(logits: ArrayLike) -> NDArray[np.float64]:
    """softmax(h(x))[original] of each image.

    The score of a row is the mean over ψ (:func:`unconceal.metrics.crs.mean_over_psi`).

    Args:
        logits: (n, 2) h(x) of the fine-tuned classifier, columns (unlearned, original).

    Returns:
        (n,) probabilities in [0, 1]. On a forget prompt, higher means more retrieval, worse unlearning.

    Source: arXiv 2409.05668.
    """
    return np.asarray(softmax(np.asarray(logits, np.float64), axis=-1)[..., ORIGINAL])
