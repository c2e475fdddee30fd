"""The suite and the tasks of a fresh re-run: as published, but with prompts, seeds and ψ drawn from one number."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from unconceal.rerun.paraphrase import paraphrase, paraphrase_retained
from unconceal.rerun.seeded_draws import shuffled, uniform
from unconceal.specs.battery import Battery
from unconceal.specs.paraphrases import Paraphrases
from unconceal.specs.suite import SeedStarts, Suite, Tier
from unconceal.specs.task import Prompt, Task

MAX_START = 9_000
"""Seed blocks start below it and end below 10,000."""
BLOCK_LENGTH = 1_000
"""Upper bound of the number of seeds that the battery takes."""
LONE_JITTER = 0.05
"""Jitter of a probe's single ψ."""
Window = tuple[float, float]


def fresh_task(task: Task, paraphrases: Paraphrases | None, seed: int, reserve: Sequence[str] = ()) -> Task:
    """The task with drawn prompts; concepts keep their number and order.

    Args:
        task: as published, with the prompts of its dataset if it has one.
        paraphrases: of its suite; None: there are none.
        seed: of the draw.
        reserve: prompts of its dataset that are not in the task; drawn from where the category has no generator.
    """
    if paraphrases is None:
        paraphrases = Paraphrases(suite=task.suite)
    n = len(task.forget)
    texts = paraphrase(paraphrases, task, seed, n) or (tuple(shuffled(reserve, seed, "reserve")[:n]) if len(reserve) >= n else ())
    forget = tuple(Prompt(text=text) for text in texts) or task.forget
    return task.model_copy(update={"forget": forget, "retain": paraphrase_retained(paraphrases, task, seed)})


def fresh_suite(suite: Suite, seed: int) -> Suite:
    """The suite with moved seeds and jittered ψ."""
    offset = seed_offset(suite, seed)
    starts = SeedStarts(**{name: start + offset for name, start in suite.seed_starts})
    battery = fresh_battery(suite.battery, seed).model_copy(update={"seed_start": suite.battery.seed_start + offset})
    tiers = {name: _fresh_tier(tier, f"{name}.", windows(suite), seed) for name, tier in suite.tiers.items()}
    return suite.model_copy(update={"seed_starts": starts, "battery": battery, "tiers": tiers})


def seed_offset(suite: Suite, seed: int) -> int:
    """By how much every block of seeds moves: no block meets one of the published blocks."""
    starts = [start for _, start in suite.seed_starts] + [suite.battery.seed_start]
    longest = max(max(map(len, suite.seed_starts.blocks(tier.seeds).values())) for tier in suite.tiers.values())
    lengths = [longest] * (len(starts) - 1) + [BLOCK_LENGTH]
    blocks = [range(start, start + length) for start, length in zip(starts, lengths, strict=True)]
    offsets = [
        offset
        for offset in range(1, MAX_START - max(starts))
        if not any(_meets(range(block.start + offset, block.stop + offset), other) for block in blocks for other in blocks)
    ]
    return offsets[int(uniform(seed, "seeds") * len(offsets))]


def windows(suite: Suite) -> tuple[Window, ...]:
    """Ranges of ψ that scores depend on: a grid point inside one stays inside."""
    scores = suite.scores
    return scores.mean_psi, scores.excess_psi, (0.0, scores.max_retain_psi), (0.0, scores.max_psi_star)


def jittered(grid: Sequence[float], seed: int, label: str, limits: Sequence[Window] = ()) -> tuple[float, ...]:
    """A grid whose inner points move by less than half the distance to their neighbours; its ends stay."""
    middles = [(low + high) / 2 for low, high in pairwise(grid)]
    inner = [
        _drawn_between(
            max([low, *(start for start, end in limits if start <= psi <= end)]),
            min([high, *(end for start, end in limits if start <= psi <= end)]),
            uniform(seed, f"{label}.{index}"),
        )
        for index, (psi, (low, high)) in enumerate(zip(grid[1:-1], pairwise(middles), strict=True))
    ]
    return (grid[0], *inner, grid[-1])


def fresh_battery(battery: Battery, seed: int) -> Battery:
    """The battery with jittered ψ of its probes."""
    update = {}
    for name in ("renoising", "benign_fine_tuning"):
        settings = getattr(battery, name)
        update[name] = settings.model_copy(update={"psi": _jittered_by_gap(settings.psi, seed, name)})
    return battery.model_copy(update=update)


def _fresh_tier(tier: Tier, label: str, limits: Sequence[Window], seed: int) -> Tier:
    return tier.model_copy(update={name: jittered(getattr(tier, name), seed, label + name, limits) for name in ("psi", "retain_psi")})


def _jittered_by_gap(values: Sequence[float], seed: int, label: str) -> tuple[float, ...]:
    """Values that move by less than half the smallest gap between them."""
    reach = min((later - earlier for earlier, later in pairwise(values)), default=2 * LONE_JITTER) / 2
    return tuple(
        _drawn_between(max(0.0, psi - reach), min(1.0, psi + reach), uniform(seed, f"{label}.{index}")) for index, psi in enumerate(values)
    )


def _drawn_between(low: float, high: float, share: float) -> float:
    """A point of the inner nine tenths, so that neighbours stay apart, to three digits."""
    return round(low + (0.05 + 0.9 * share) * (high - low), 3)


def _meets(block: range, other: range) -> bool:
    return max(block.start, other.start) < min(block.stop, other.stop)
