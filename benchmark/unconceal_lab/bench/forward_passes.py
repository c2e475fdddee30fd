"""How many denoiser evaluations an evaluation takes, the fewest that the protocol allows, and what that comes to at any size (no torch).

With T steps, g rows for a guided step (2; 1 where guidance is distilled), and for every picture the handovers k that its block asks for:

- θ: g·T a picture, once for all submissions;
- θ*: for each handover k < T, g·(T − k) in the prompt arm, and T − k in the empty arm.

The fewest: no row twice. At a handover both arms start from the same latents, and guidance's unconditional row there is the empty arm's
own first row, so one row can be saved for each k < T of a picture with both arms. Nothing else is asked twice.
"""

from __future__ import annotations

from typing import NamedTuple

from unconceal.diffusion.families import FAMILIES
from unconceal.generate.generator import rows_of
from unconceal.generate.plan import Plan
from unconceal.specs.suite import Suite


class Rows(NamedTuple):
    """Of θ, shared by all submissions of a task; of each θ*."""

    original: int
    each: int


def rows(plan: Plan) -> Rows:
    """What our plan takes."""
    ours = {shard for block in plan.blocks for shard in block.trajectories}
    return Rows(sum(map(rows_of, ours)), sum(rows_of(shard) for block in plan.blocks for shard in block.handovers))


def bound(plan: Plan, suite: Suite) -> Rows:
    """The fewest that the protocol allows, counted picture by picture and not shard by shard."""
    steps, guided = suite.sampler.steps, FAMILIES[suite.family].rows
    begun: set[tuple[str, int]] = set()
    asked: set[tuple[str, int, int, str]] = set()
    for block in plan.blocks:
        for shard in block.handovers:
            for picture in shard.pictures:
                member = (picture.prompt, picture.seed)
                begun.add(member)
                asked |= {(*member, k, arm) for arm in shard.arms for k in shard.handovers if k < steps}
    each = sum((guided if arm == "prompt" else 1) * (steps - k) for *_, k, arm in asked)
    if guided == 2:
        each -= sum(1 for *member, k, arm in asked if arm == "empty" and (*member, k, "prompt") in asked)
    return Rows(guided * steps * len(begun), each)


def released_rows(plan: Plan, suite: Suite) -> int:
    """What the released way takes for every submission: each picture from its noise on."""
    from unconceal_lab.bench.released_pipeline import asked_of

    steps, guided = suite.sampler.steps, FAMILIES[suite.family].rows

    def of(k: int, arm: str) -> int:
        return guided * steps if arm == "prompt" else guided * k + steps - k

    return sum(of(asked.k, asked.arm) for asked in asked_of(plan, steps))


def hours(of: Rows, tasks: int, submissions: int, workers: int, rows_per_second: float, judged: float) -> float:
    """Hours for every submission on every task; ``judged``: seconds of judging one evaluation on one worker."""
    generated = tasks * (of.original + submissions * of.each) / rows_per_second
    return (generated + tasks * submissions * judged) / workers / 3600
