from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from generate.small import LAYOUT, plan, suite, task
from unconceal.generate.identity import image_seed
from unconceal.generate.plan import Block


def seeds_of(block: Block) -> set[tuple[str, int]]:
    return {(picture.prompt, picture.seed) for shard in block.trajectories for picture in shard.images}


def test_blocks_have_the_tiers_counts() -> None:
    made = plan()
    expected = {"train": 2 * 3, "reference": 2 * 2, "evaluation": 2 * 2, "retain": 2 * 1, "retain reference": 2 * 2}
    assert {block.name: sum(len(shard.images) for shard in block.trajectories) for block in made.blocks} == expected
    assert made.evaluation.prompts == ("a star", "a red star") and made.retain.prompts == ("a ring", "a square")
    assert {block.name: block.seeds for block in made.blocks} == {name: count // 2 for name, count in expected.items()}


def test_pictures_stand_prompt_by_prompt() -> None:
    pictures = [(p.prompt, p.seed) for shard in plan().train.trajectories for p in shard.images]
    assert pictures == [(text, image_seed(0, text, n)) for text in ("a star", "a red star") for n in range(3)]


def test_trajectories_and_handovers_have_equal_members() -> None:
    for block in plan().blocks:
        assert len(block.trajectories) == len(block.handovers)
        for ours, theirs in zip(block.trajectories, block.handovers, strict=True):
            assert ours.images == theirs.images and ours.handovers == theirs.handovers
            assert ours.checkpoint is None and ours.arms == () and theirs.checkpoint == "c" * 64 and theirs.arms


def test_shards_are_cut_by_the_layout() -> None:
    assert [len(shard.images) for shard in plan().train.trajectories] == [4, 2]
    assert [len(shard.images) for shard in plan(layout=replace(LAYOUT, shard_size=5)).train.trajectories] == [5, 1]
    assert len(plan(layout=replace(LAYOUT, shard_size=100)).train.trajectories) == 1


def test_blocks_of_a_prompt_share_no_seed() -> None:
    forget = [seeds_of(block) for block in (plan().train, plan().reference, plan().evaluation)]
    retain = [seeds_of(block) for block in (plan().retain, plan().retain_reference)]
    assert all(not one & other for blocks in (forget, retain) for one, other in combinations(blocks, 2))


def test_only_the_handovers_that_are_needed() -> None:
    """ψ = .25 and .26 are one cell of four steps; the classifier's pictures need θ* alone."""
    made = plan()
    assert made.evaluation.k == {0.0: 0, 0.25: 1, 0.26: 1, 0.55: 2, 1.0: 4}
    assert {shard.handovers for shard in made.evaluation.handovers} == {(0, 1, 2, 4)}
    assert {shard.handovers for block in (made.train, made.reference, made.retain_reference) for shard in block.handovers} == {(0,)}
    assert {shard.handovers for shard in made.retain.handovers} == {(0, 4)}


def test_only_the_evaluation_block_has_both_arms() -> None:
    arms = {block.name: {shard.arms for shard in block.handovers} for block in plan().blocks}
    assert arms.pop("evaluation") == {("prompt", "empty")} and all(found == {("prompt",)} for found in arms.values())


def test_the_originals_shards_are_shared_by_submissions() -> None:
    one, other = plan("c" * 64), plan("d" * 64)
    for mine, theirs in zip(one.blocks, other.blocks, strict=True):
        assert mine.trajectories == theirs.trajectories
        assert not {shard.digest for shard in mine.handovers} & {shard.digest for shard in theirs.handovers}


def test_all_shards_are_listed_once() -> None:
    made = plan()
    assert len(made.shards) == sum(len(block.trajectories) + len(block.handovers) for block in made.blocks)
    assert len({shard.digest for shard in made.shards}) == len(made.shards)


@pytest.mark.parametrize("name", ["num_inference_steps", "guidance_scale"])
def test_the_sampler_is_the_suites(name: str) -> None:
    assert {getattr(shard.sampling, name) for shard in plan().shards} == {getattr(suite().sampler, name)}
    assert task().forget[2].text not in {picture.prompt for shard in plan().shards for picture in shard.images}
