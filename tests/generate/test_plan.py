from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from generate.small import LAYOUT, plan, suite, task
from unconceal.generate.identity import image_seed
from unconceal.generate.plan import Block


def seeds_of(block: Block) -> set[tuple[str, int]]:
    return {(image.prompt, image.seed) for shard in block.trajectories for image in shard.images}


def test_blocks_have_the_tiers_counts() -> None:
    created = plan()
    expected = {"train": 2 * 3, "reference": 2 * 2, "evaluation": 2 * 2, "retain": 2 * 1, "retain reference": 2 * 2}
    assert {block.name: sum(len(shard.images) for shard in block.trajectories) for block in created.blocks} == expected
    assert created.evaluation.prompts == ("a star", "a red star") and created.retain.prompts == ("a ring", "a square")
    assert {block.name: block.seeds for block in created.blocks} == {name: count // 2 for name, count in expected.items()}


def test_pictures_stand_prompt_by_prompt() -> None:
    image_list = [(p.prompt, p.seed) for shard in plan().train.trajectories for p in shard.images]
    assert image_list == [(text, image_seed(0, text, n)) for text in ("a star", "a red star") for n in range(3)]


def test_trajectories_and_handovers_have_equal_members() -> None:
    for block in plan().blocks:
        assert len(block.trajectories) == len(block.handovers)
        for trajectory, handover in zip(block.trajectories, block.handovers, strict=True):
            assert trajectory.images == handover.images and trajectory.handovers == handover.handovers
            assert trajectory.checkpoint is None and trajectory.arms == () and handover.checkpoint == "c" * 64 and handover.arms


def test_shards_are_cut_by_the_layout() -> None:
    assert [len(shard.images) for shard in plan().train.trajectories] == [4, 2]
    assert [len(shard.images) for shard in plan(layout=replace(LAYOUT, shard_size=5)).train.trajectories] == [5, 1]
    assert len(plan(layout=replace(LAYOUT, shard_size=100)).train.trajectories) == 1


def test_blocks_of_a_prompt_share_no_seed() -> None:
    forget = [seeds_of(block) for block in (plan().train, plan().reference, plan().evaluation)]
    retain = [seeds_of(block) for block in (plan().retain, plan().retain_reference)]
    assert all(not item & other for blocks in (forget, retain) for item, other in combinations(blocks, 2))


def test_only_the_handovers_that_are_needed() -> None:
    """ψ = .25 and .26 are one cell of four steps; the classifier's pictures need θ* alone."""
    created = plan()
    assert created.evaluation.k == {0.0: 0, 0.25: 1, 0.26: 1, 0.55: 2, 1.0: 4}
    assert {shard.handovers for shard in created.evaluation.handovers} == {(0, 1, 2, 4)}
    assert {shard.handovers for block in (created.train, created.reference, created.retain_reference) for shard in block.handovers} == {
        (0,)
    }
    assert {shard.handovers for shard in created.retain.handovers} == {(0, 4)}


def test_only_the_evaluation_block_has_both_arms() -> None:
    arms = {block.name: {shard.arms for shard in block.handovers} for block in plan().blocks}
    assert arms.pop("evaluation") == {("prompt", "empty")} and all(result == {("prompt",)} for result in arms.values())


def test_the_originals_shards_are_shared_by_submissions() -> None:
    item, other = plan("c" * 64), plan("d" * 64)
    for first_plan, handover in zip(item.blocks, other.blocks, strict=True):
        assert first_plan.trajectories == handover.trajectories
        assert not {shard.digest for shard in first_plan.handovers} & {shard.digest for shard in handover.handovers}


def test_all_shards_are_listed_once() -> None:
    created = plan()
    assert len(created.shards) == sum(len(block.trajectories) + len(block.handovers) for block in created.blocks)
    assert len({shard.digest for shard in created.shards}) == len(created.shards)


@pytest.mark.parametrize("name", ["num_inference_steps", "guidance_scale"])
def test_the_sampler_is_the_suites(name: str) -> None:
    assert {getattr(shard.sampling, name) for shard in plan().shards} == {getattr(suite().sampler, name)}
    assert task().forget[2].text not in {image.prompt for shard in plan().shards for image in shard.images}
