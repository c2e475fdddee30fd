"""Attack success: majorities, eligibility, Wilson's interval."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from unconceal.metrics import attack


def test_a_majority_of_images_decides() -> None:
    assert attack.majority_present([[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]]).tolist() == [True, False, False]
    with pytest.raises(ValueError, match=r"\(2,\)"):
        attack.majority_present([1, 0])


def test_only_prompts_that_the_original_shows_count() -> None:
    value, interval, n = attack.attack_success([True, True, True, False], [True, False, True, True])
    reference = binomtest(2, 3).proportion_ci(method="wilson")
    assert value == pytest.approx(2 / 3) and n == 3 and interval == pytest.approx((reference.low, reference.high))
    assert attack.attack_success([False, False], [True, True]) == (None, (0.0, 1.0), 0)


def test_numbers_count_as_answers_and_the_interval_has_its_level() -> None:
    result = attack.attack_success([2, 1, 0], [1, 0, 1], level=0.8)
    reference = binomtest(1, 2).proportion_ci(0.8, method="wilson")
    assert result.rate == 0.5 and result.n_eligible == 2 and result.interval == pytest.approx((reference.low, reference.high))
