"""Is a planted base fit to be a base: does it draw what it was taught, and still what it drew before?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.handover import run_original
from unconceal.errors import CheckFailed
from unconceal.specs.planting_plan import Gates, Planting

Pixels = NDArray[np.uint8]
Seen = Callable[[Pixels, str], NDArray[np.bool_]]
"""(pictures (n, h, w, 3), caption) -> whether each shows what the caption says, (n,)."""
START = 9_000_000


@dataclass(frozen=True)
class Gate:
    """Shares in [0, 1] of pictures that show it: of the public model ``before``, of the planted one ``after``."""

    what: str
    before: float
    after: float
    passed: bool


def share(model: StableDiffusion, prompts: Sequence[str], caption: str, gates: Gates, seen: Seen) -> float:
    """Of the prompts' pictures, how many show what the caption says."""
    asked = [prompt for prompt in prompts for _ in range(gates.seeds)]
    seeds = [START + number for number in range(len(asked))]
    drawn = model.decode(run_original(model, asked, seeds, (gates.steps,)).latents[gates.steps])
    return float(seen(drawn, caption).mean())


def gate(before: Any, after: Any, planting: Planting, seen: Seen) -> list[Gate]:
    """Every planted concept, and everything that was to be kept."""
    rules = planting.gates
    old, new = (StableDiffusion(pipe, rules.steps, rules.guidance, size=planting.training.size) for pipe in (before, after))
    found = []
    for name, concept in planting.concepts.items():
        rates = [share(model, concept.prompts, concept.caption, rules, seen) for model in (old, new)]
        found.append(Gate(name, rates[0], rates[1], passed=rates[1] >= rules.drawn))
    kept = [[share(model, [held.prompt], held.caption, rules, seen) for held in planting.held] for model in (old, new)]
    lost = float(np.mean(kept[0]) - np.mean(kept[1]))
    return [*found, Gate("held prompts", float(np.mean(kept[0])), float(np.mean(kept[1])), passed=lost <= rules.fall)]


def refuse_failures(gates: Sequence[Gate]) -> None:
    """Raises CheckFailed where a gate did not pass."""
    failed = [f"{gate.what} {gate.before:.2f} before, {gate.after:.2f} after" for gate in gates if not gate.passed]
    if failed:
        remedy = "train longer, show the concept more often, or lower the rate where other prompts suffered"
        raise CheckFailed("; ".join(failed), "so the planted model is no base: a verdict against it would mean little", remedy)


def by_clip(clip: Any, captions: Sequence[str]) -> Seen:
    """A judge by zero-shot CLIP over all captions of a planting."""

    def seen(pixels: Pixels, caption: str) -> NDArray[np.bool_]:
        return np.asarray(clip.zero_shot(pixels, captions) == captions.index(caption))

    return seen
