from __future__ import annotations

from math import e, log

import numpy as np

from unconceal.metrics.ccs import ccs


def test_ccs_by_hand() -> None:
    np.testing.assert_allclose(ccs([[0.0, 0.0], [0.0, log(3)], [1.0, 0.0], [-4.0, 6.0]]), [0.5, 0.75, 1 / (1 + e), 1 / (1 + e**-10)])


def test_ccs_survives_large_logits() -> None:
    np.testing.assert_allclose(ccs([[1e4, -1e4], [-1e4, 1e4]]), [0, 1])
