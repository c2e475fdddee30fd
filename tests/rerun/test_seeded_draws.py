from __future__ import annotations

from unconceal.rerun.seeded_draws import shuffled, uniform


def test_draws_are_the_same_everywhere() -> None:
    """By SHA-256: known values, so that a re-run can be derived again years later."""
    assert f"{uniform(7, 'seeds'):.12f}" == "0.280118863696"
    assert shuffled(["a", "b", "c", "d"], 7, "x") == ["b", "a", "c", "d"]


def test_draws_are_uniform() -> None:
    values = [uniform(seed, "x") for seed in range(2000)]
    assert 0 <= min(values) < 0.01 and 0.99 < max(values) < 1
    assert abs(sum(values) / len(values) - 0.5) < 0.02


def test_an_order_depends_on_seed_and_label_alone() -> None:
    texts = [str(number) for number in range(20)]
    assert shuffled(texts, 1, "x") == shuffled(reversed([*texts, "3"]), 1, "x")
    assert len({tuple(shuffled(texts, seed, label)) for seed in range(5) for label in "xy"}) == 10
