"""Concept confidence score: how sure the two-way classifier is that a picture comes from the original model."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

ORIGINAL = 1
"""Column of the class "original" (λO); 0 is "unlearned" (λU)."""


def ccs(logits: ArrayLike) -> NDArray[np.float64]:
    """softmax(h(x))[original] per picture, in [0, 1].

    Args:
        logits: (n, 2) of the fine-tuned classifier, columns (unlearned, original).

    Returns:
        (n,). Higher on a forget prompt: more retrieved, worse unlearning. The score is the mean over ψ
        (:func:`unconceal.metrics.crs.mean_over_psi`). Source: arXiv 2409.05668.
    """
    return np.asarray(softmax(np.asarray(logits, np.float64), axis=-1)[..., ORIGINAL])
