from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from generate.small import LAYOUT, plan, suite, task
from unconceal.generate.identity import image_seed
from unconceal.generate.plan import Block, build_plan


def seeds_of(block: Block) -> set[tuple[str, int]]:
    return {(image.prompt, image.seed) for shard in block.trajectories for image in shard.images}


def test_blocks_have_the_tiers_counts() -> None:
    created = plan()
    expected = {"train": 2 * 3, "reference": 2 * 2, "evaluation": 2 * 2, "retain": 2, "retain original": 2, "retain reference": 2 * 2}
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
            model = "b" * 64 if block.name == "retain original" else "c" * 64
            assert trajectory.checkpoint is None and trajectory.arms == () and handover.checkpoint == model and handover.arms


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
    assert {shard.handovers for block in (created.retain, created.retain_original) for shard in block.handovers} == {(0, 4)}


def test_evaluated_and_retained_prompts_have_both_arms_and_the_original_continues_without_a_prompt() -> None:
    arms = {block.name: {shard.arms for shard in block.handovers} for block in plan().blocks}
    assert arms.pop("evaluation") == arms.pop("retain") == {("prompt", "empty")}
    assert arms.pop("retain original") == {("empty",)}
    assert all(result == {("prompt",)} for result in arms.values())


def test_the_original_continues_its_own_retained_images() -> None:
    created = plan()
    assert created.retain_original.trajectories == created.retain.trajectories
    assert all(shard.is_originals for shard in created.retain_original.handovers)
    assert not any(shard.is_originals for shard in created.retain.handovers)


def test_the_diagnostic_arm_is_planned_where_it_is_asked_for() -> None:
    """Over the window of the excess, ψ = .25, .26 and .55, from the trajectories of the evaluation."""
    assert plan().own_empty is None
    created = build_plan(suite(), suite().tiers["quick"], task(), "b" * 64, "c" * 64, LAYOUT, own_empty=True)
    assert created.own_empty is not None and created.own_empty in created.blocks
    assert created.own_empty.k == {0.25: 1, 0.26: 1, 0.55: 2}
    assert {(shard.arms, shard.handovers) for shard in created.own_empty.handovers} == {(("own-empty",), (1, 2))}
    assert created.own_empty.trajectories == created.evaluation.trajectories
    assert created.blocks[:-1] == plan().blocks


def test_the_originals_shards_are_shared_by_submissions() -> None:
    item, other = plan("c" * 64), plan("d" * 64)
    for first_plan, handover in zip(item.blocks, other.blocks, strict=True):
        assert first_plan.trajectories == handover.trajectories
        both = {shard.digest for shard in first_plan.handovers} & {shard.digest for shard in handover.handovers}
        assert bool(both) == (first_plan.name == "retain original")


def test_all_shards_are_listed_once() -> None:
    created = plan()
    every = {shard for block in created.blocks for shard in (*block.trajectories, *block.handovers)}
    assert set(created.shards) == every and len({shard.digest for shard in created.shards}) == len(created.shards)


@pytest.mark.parametrize("name", ["num_inference_steps", "guidance_scale"])
def test_the_sampler_is_the_suites(name: str) -> None:
    assert {getattr(shard.sampling, name) for shard in plan().shards} == {getattr(suite().sampler, name)}
    assert task().forget[2].text not in {image.prompt for shard in plan().shards for image in shard.images}
