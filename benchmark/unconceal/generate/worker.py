"""Makes shards: looks in the store first, runs the handover sampler for what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.handover import Arm, hand_over, run_original
from unconceal.diffusion.model import Model
from unconceal.generate.identity import Shard
from unconceal.generate.store import Arrays, Store

Pixels = NDArray[np.uint8]


def branch_name(arm: str, k: int) -> str:
    """Name of a branch's pictures in a shard."""
    return f"{arm}.{k:04d}"


def clean_name(k: int) -> str:
    """Name of the decoded x̂0 pictures of a handover in θ's shard."""
    return f"clean.{k:04d}"


@dataclass
class Worker:
    """Generates with one pair of models, and counts what it cost."""

    store: Store
    original: Model
    unlearned: Model
    advance: Callable[[int], None] = lambda rows: None
    """Told how many UNet rows are done, stored ones included, once per shard."""
    evaluations: int = 0
    seconds: float = 0.0
    _told: set[str] = field(default_factory=set)

    def trajectory(self, shard: Shard) -> Arrays:
        """θ's own run: ``latents.KKKK`` float32 at every handover; pictures uint8 (n, h, w, 3): ``original``, and x̂0 ``clean.KKKK``."""
        return self._made(shard, self._run_original)

    def handover(self, shard: Shard, trajectory: Shard) -> Arrays:
        """θ*'s pictures for every branch, named by :func:`branch_name`."""
        return self._made(shard, lambda wanted: self._hand_over(wanted, self.trajectory(trajectory)))

    def _made(self, shard: Shard, make: Callable[[Shard], Arrays]) -> Arrays:
        found = self.store.get(shard)
        if found is None:
            # A handover may have to make its trajectory first, which notes the same seconds.
            started, before = time.perf_counter(), self.seconds
            found = make(shard)
            self.store.put(shard, found)
            self.seconds = before + time.perf_counter() - started
        if shard.digest not in self._told:
            self._told.add(shard.digest)
            self.advance(rows_of(shard))
        return found

    def _run_original(self, shard: Shard) -> Arrays:
        prompts, seeds = [p.prompt for p in shard.pictures], [p.seed for p in shard.pictures]
        run = run_original(self.original, prompts, seeds, (*shard.handovers, self.original.steps), shard.layout.batch)
        self.evaluations += run.evaluations
        arrays: Arrays = {f"latents.{k:04d}": run.latents[k].float().cpu().numpy() for k in shard.handovers}
        arrays |= {clean_name(k): self.original.decode(run.clean[k]) for k in shard.handovers if k in run.clean}
        arrays["original"] = self.original.decode(run.latents[self.original.steps])
        return arrays

    def _hand_over(self, shard: Shard, trajectory: Arrays) -> Arrays:
        model = self.unlearned
        latents = {k: torch.from_numpy(trajectory[f"latents.{k:04d}"]).to(model.device, model.dtype) for k in shard.handovers}
        arms: tuple[Arm, ...] = tuple(arm for arm in ("prompt", "empty") if arm in shard.arms)
        finished, evaluations = hand_over(model, [p.prompt for p in shard.pictures], latents, arms, shard.layout.batch)
        self.evaluations += evaluations
        return {branch_name(arm, k): model.decode(value) for (arm, k), value in finished.items()}


def rows_of(shard: Shard) -> int:
    """Denoiser rows that making the shard takes: two a step with guidance (one where it is built in), one without."""
    steps, guided = shard.sampling.steps, FAMILIES[shard.family].rows
    if shard.checkpoint is None:
        return guided * steps * len(shard.pictures)
    per_arm = {"prompt": guided, "empty": 1}
    return len(shard.pictures) * sum(per_arm[arm] * (steps - k) for arm in shard.arms for k in shard.handovers)
