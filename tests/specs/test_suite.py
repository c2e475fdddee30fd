"""Suites: seed blocks, grids, windows."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from codes import refuses
from unconceal.specs.suite import Scoring, Seeds, SeedStarts, Tier, seed_overlaps

SEEDS = Seeds(train=3, reference=2, evaluation=4, retain=2)


def shared(starts: SeedStarts, seeds: Seeds) -> set[frozenset[str]]:
    """Pairs of blocks with a common seed, by enumerating the seeds."""
    blocks = {name: set(block) for name, block in starts.blocks(seeds).items()}
    return {frozenset((item, other)) for item in blocks for other in blocks if item != other and blocks[item] & blocks[other]}


def test_overlaps_are_those_that_enumeration_finds() -> None:
    for train in range(5):
        for reference in range(8):
            for evaluation in range(0, 12, 2):
                starts = SeedStarts(train=train, reference=reference, evaluation=evaluation)
                result = list(seed_overlaps(starts, {"full": SEEDS}))
                assert len(result) == len(shared(starts, SEEDS))
                assert all(mistake.location[0] == "seed_starts" for mistake in result)


def test_the_evaluation_block_covers_the_retain_seeds() -> None:
    starts = SeedStarts(train=4, reference=20, evaluation=0)
    assert not list(seed_overlaps(starts, {"full": SEEDS}))
    assert list(seed_overlaps(starts, {"full": Seeds(train=3, reference=2, evaluation=4, retain=5)}))


def test_a_tier_needs_grids_from_0_to_1() -> None:
    def tier(*psi: float) -> Tier:
        return Tier(psi=psi, retain_psi=(0, 1), seeds=SEEDS, extractors=("resnet18",))

    assert tier(0, 0.5, 1).n_prompts is None
    for psi in ((0, 0.5), (0.1, 1), (0, 0.6, 0.5, 1), (0, 1.5), (0, float("nan"), 1), (1,)):
        with pytest.raises(ValidationError):
            tier(*psi)


def test_windows_have_a_length_and_models_are_frozen() -> None:
    with refuses("suite.empty-window"):
        Scoring(excess_psi=(0.6, 0.1))
    with refuses("frozen_instance"):
        Scoring().margin = 0.2  # type: ignore[misc]
