"""Falls between paired pictures, and halves of prompts."""

from __future__ import annotations

import numpy as np
import pytest

from unconceal.metrics import damage


def test_a_drop_is_the_mean_over_seeds_of_paired_differences() -> None:
    assert damage.mean_drop([[1.0, 0.5], [0.0, 1.0]], [[0.0, 0.5], [1.0, 1.0]]) == pytest.approx([0.5, -0.5])
    with pytest.raises(ValueError, match=r"\(1, 2\).*\(1, 3\)"):
        damage.mean_drop([[1, 0]], [[1, 0, 0]])


@pytest.mark.parametrize("prompts", [2, 5, 6])
def test_halves_share_no_prompt_and_are_of_one_size(prompts: int) -> None:
    split = damage.split_prompts(7, prompts, 30)
    assert split.first.shape == split.second.shape == (30, 7, prompts // 2)
    both = np.concatenate([split.first, split.second], axis=-1)
    assert all(len(set(row)) == len(row) for rows in both.tolist() for row in rows)
    assert set(both.ravel().tolist()) == set(range(prompts))
    with pytest.raises(ValueError, match=r"^1 "):
        damage.split_prompts(7, 1, 2)


def test_halved_damages_are_means_over_each_half() -> None:
    table = np.arange(12.0).reshape(3, 4)
    split = damage.split_prompts(3, 4, 5, seed=1)
    first, second = damage.half_means(table, split)
    for i in range(5):
        for concept in range(3):
            assert first[i, concept] == table[concept][split.first[i, concept]].mean()
    # Four prompts: the halves' mean is the whole's.
    assert (first + second) / 2 == pytest.approx(np.tile(table.mean(axis=1), (5, 1)))


def test_splits_are_those_of_their_seed() -> None:
    first, again, other = (damage.split_prompts(4, 8, 3, seed=seed) for seed in (0, 0, 1))
    assert (first.first == again.first).all() and (first.first == damage.split_prompts(4, 8, 3).first).all()
    assert not (first.first == other.first).all()
