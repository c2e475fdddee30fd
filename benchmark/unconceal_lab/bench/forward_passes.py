"""Forward passes of an evaluation, the lower bound of the protocol, and the hours that they take (no torch).

With T steps, g forward passes per guided step (2; 1 if guidance is distilled), and for each image the handovers k of its block:

- θ: g·T per image, once for all submissions;
- θ*: for each handover k < T, g·(T − k) in the prompt arm and T − k in the empty arm.

Lower bound: no forward pass is computed twice. At a handover both arms start from the same latents, and the unconditional pass of guidance
equals the first pass of the empty arm. One pass can be saved for each k < T of an image with both arms.
"""

from __future__ import annotations

from typing import NamedTuple

from unconceal.diffusion.families import FAMILIES
from unconceal.generate.generator import count_forward_passes
from unconceal.generate.plan import Plan
from unconceal.specs.suite import Suite


class ForwardPasses(NamedTuple):
    """Forward passes of θ, shared by all submissions of a task, and of each submission's θ*."""

    original: int
    per_submission: int


def planned_forward_passes(plan: Plan) -> ForwardPasses:
    """Forward passes that an evaluation runs."""
    original, per_submission = ([shard for shard in plan.shards if shard.is_originals == of_original] for of_original in (True, False))
    return ForwardPasses(sum(map(count_forward_passes, original)), sum(map(count_forward_passes, per_submission)))


def min_forward_passes(plan: Plan, suite: Suite) -> ForwardPasses:
    """Lower bound of the protocol, counted per image."""
    steps, guided = suite.sampler.num_inference_steps, FAMILIES[suite.family].forward_passes_per_step
    trajectories: set[tuple[str, int]] = set()
    branches: dict[bool, set[tuple[str, int, int, str]]] = {True: set(), False: set()}
    for block in plan.blocks:
        for shard in block.handovers:
            for image in shard.images:
                key = (image.prompt, image.seed)
                trajectories.add(key)
                branches[shard.is_originals] |= {(*key, k, arm) for arm in shard.arms for k in shard.handovers if k < steps}
    original, per_submission = (
        sum((guided if arm == "prompt" else 1) * (steps - k) for *_, k, arm in branches[of_original]) for of_original in (True, False)
    )
    if guided == 2:
        shared = branches[False]
        per_submission -= sum(1 for *key, k, arm in shared if arm == "empty" and (*key, k, "prompt") in shared)
    return ForwardPasses(guided * steps * len(trajectories) + original, per_submission)


def released_forward_passes(plan: Plan, suite: Suite) -> int:
    """Forward passes per submission of the released evaluation, which starts every image from noise."""
    from unconceal_lab.bench.released_pipeline import image_requests

    steps, guided = suite.sampler.num_inference_steps, FAMILIES[suite.family].forward_passes_per_step

    def per_image(k: int, arm: str) -> int:
        return guided * steps if arm == "prompt" else guided * k + steps - k

    return sum(per_image(request.k, request.arm) for request in image_requests(plan, steps))


def hours(
    passes: ForwardPasses, tasks: int, submissions: int, workers: int, forward_passes_per_second: float, judging_seconds: float
) -> float:
    """Hours to evaluate every submission on every task.

    Args:
        passes: Forward passes of one task.
        tasks: Number of tasks.
        submissions: Number of submissions per task.
        workers: Number of workers.
        forward_passes_per_second: Throughput of one worker.
        judging_seconds: Seconds to judge one evaluation on one worker.
    """
    generation = tasks * (passes.original + submissions * passes.per_submission) / forward_passes_per_second
    return (generation + tasks * submissions * judging_seconds) / workers / 3600
