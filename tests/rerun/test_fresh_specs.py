from __future__ import annotations

from itertools import pairwise

import pytest

from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.rerun.fresh_specs import BLOCK_LENGTH, fresh_suite, fresh_task, jittered, seed_offset, windows
from unconceal.specs.loader import load_paraphrases, load_suite, load_task, suite_names
from unconceal.specs.suite import Suite
from unconceal.specs.task import Prompt, Task

ROOT = DataRoot.find(SOURCE_TREE)
SUITES = {name: load_suite(ROOT, name) for name in suite_names(ROOT)}
SEEDS = (0, 7, 2**48 - 1)


def blocks(suite: Suite) -> list[range]:
    longest = [suite.seed_starts.blocks(tier.seeds).values() for tier in suite.tiers.values()]
    return [block for tier in longest for block in tier] + [range(suite.battery.seed_start, suite.battery.seed_start + BLOCK_LENGTH)]


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_fresh_suite_is_a_suite_of_the_same_shape(name: str, seed: int) -> None:
    suite, fresh = SUITES[name], fresh_suite(SUITES[name], seed)
    assert Suite.model_validate(fresh.model_dump()) == fresh and fresh.scores == suite.scores
    for tier, before in suite.tiers.items():
        assert fresh.tiers[tier].seeds == before.seeds and len(fresh.tiers[tier].psi) == len(before.psi)


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("seed", SEEDS)
def test_seeds_move_together_and_meet_no_published_seed(name: str, seed: int) -> None:
    suite, fresh = SUITES[name], fresh_suite(SUITES[name], seed)
    offset = seed_offset(suite, seed)
    assert {new - old for (_, new), (_, old) in zip(fresh.seed_starts, suite.seed_starts, strict=True)} == {offset}
    assert fresh.battery.seed_start == suite.battery.seed_start + offset
    published, drawn = ({seed for block in blocks(spec) for seed in block} for spec in (suite, fresh))
    assert not published & drawn and max(drawn) < 10_000


def test_many_offsets_are_possible() -> None:
    assert len({seed_offset(SUITES["miniature"], seed) for seed in range(300)}) > 250


@pytest.mark.parametrize("seed", range(5))
def test_inner_ratios_move_by_less_than_half_the_distance(seed: int) -> None:
    grid = (0.0, 0.1, 0.2, 0.3, 0.45, 0.6, 1.0)
    drawn = jittered(grid, seed, "x")
    assert drawn[0] == 0 and drawn[-1] == 1 and drawn != grid
    for before, old, after, new in zip(grid, grid[1:], grid[2:], drawn[1:-1], strict=False):
        assert (before + old) / 2 < new < (old + after) / 2
    assert all(earlier < later for earlier, later in pairwise(drawn))


@pytest.mark.parametrize("seed", range(5))
def test_a_ratio_inside_a_window_stays_inside(seed: int) -> None:
    suite = SUITES["miniature"]
    for tier in suite.tiers.values():
        for grid in (tier.psi, tier.retain_psi):
            for old, new in zip(grid, jittered(grid, seed, "x", windows(suite)), strict=True):
                assert all(low <= new <= high for low, high in windows(suite) if low <= old <= high)


def test_probes_are_jittered() -> None:
    battery = SUITES["miniature"].battery
    drawn = [fresh_suite(SUITES["miniature"], seed).battery for seed in range(5)]
    for name in ("renoising", "benign_fine_tuning"):
        before = getattr(battery, name).psi
        for psi in (getattr(fresh, name).psi for fresh in drawn):
            assert psi != before and all(abs(new - old) < 0.05 for new, old in zip(psi, before, strict=True))


def test_a_fresh_task_keeps_concepts_and_counts() -> None:
    task = load_task(ROOT, "miniature:object/star")
    fresh = fresh_task(task, load_paraphrases(ROOT, "miniature"), 7)
    assert Task.model_validate(fresh.model_dump()) == fresh and len(fresh.forget) == len(task.forget)
    changed = {name for name in Task.model_fields if getattr(fresh, name) != getattr(task, name)}
    assert changed == {"forget", "retain"}


def test_without_paraphrases_prompts_stay_or_come_from_the_reserve() -> None:
    task = load_task(ROOT, "miniature:object/star").model_copy(update={"forget": (Prompt(text="one"), Prompt(text="two"))})
    assert fresh_task(task, None, 7) == task and fresh_task(task, None, 7, ["a"]) == task, "too small a reserve"
    reserve = [f"text {number}" for number in range(10)]
    drawn = {tuple(prompt.text for prompt in fresh_task(task, None, seed, reserve).forget) for seed in range(5)}
    assert len(drawn) > 1 and all(len(texts) == 2 and set(texts) <= set(reserve) for texts in drawn)
