"""Zero-shot CLIP as the judge of a first look, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unconceal.judges.clip import Clip

LOGIT_SCALE = 100.0
"""CLIP's own temperature, for probabilities."""


@dataclass(frozen=True)
class ZeroShotJudge:
    """Chooses the nearest of several captions. ``captions``: the concept's first, then those of other concepts, then the neutral one."""

    clip: Clip
    captions: tuple[str, ...]

    def answers(self, pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Index of the nearest caption of each image (n, h, w, 3), (n,)."""
        return self.clip.zero_shot(pixels, self.captions)

    def shows(self, pixels: NDArray[np.uint8], head: str, label: str) -> NDArray[np.bool_]:
        """Whether each image shows the concept, (n,). There is one concept, so head and label do not matter."""
        return np.asarray(self.answers(pixels) == 0)

    def presence_scores(self, pixels: NDArray[np.uint8], head: str, label: str) -> NDArray[np.float64]:
        """Probability of the concept's caption for each image, (n,)."""
        logits = LOGIT_SCALE * self.clip.similarity(pixels, self.captions).astype(np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(odds[:, 0] / odds.sum(axis=1))
