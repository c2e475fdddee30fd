"""Makes shards: looks in the store first, runs the handover sampler for what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch

from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.handover import Arm, hand_over, run_original
from unconceal.diffusion.model import Model
from unconceal.generate.identity import Shard
from unconceal.generate.image_cache import ImageCache
from unconceal.generate.image_cache import Pixels as Pixels
from unconceal.generate.plan import Pair
from unconceal.generate.store import Arrays, Store
from unconceal.generate.throughput import Work, note

NOTED_EVERY = 2.0
"""Seconds of work between two notes of how fast it goes."""


def branch_name(arm: str, k: int) -> str:
    """Name of a branch's pictures in a shard."""
    return f"{arm}.{k:04d}"


def clean_name(k: int) -> str:
    """Name of the decoded x̂0 pictures of a handover in θ's shard."""
    return f"clean.{k:04d}"


@dataclass
class Generator:
    """Generates with one pair of models, and counts what it cost."""

    store: Store
    original: Model
    unlearned: Model
    advance: Callable[[int], None] = lambda rows: None
    """Told how many UNet rows are done, stored ones included, once per shard."""
    evaluations: int = 0
    seconds: float = 0.0
    shelf: ImageCache = field(init=False)
    _told: set[Shard] = field(default_factory=set)
    _unnoted: tuple[int, float] = (0, 0.0)

    def __post_init__(self) -> None:
        self.shelf = ImageCache(self.store)

    def trajectory(self, shard: Shard) -> Arrays:
        """θ's own run: ``latents.KKKK`` float32 at every handover; pictures uint8 (n, h, w, 3): ``original``, and x̂0 ``clean.KKKK``."""
        return self._made(shard, self._run_original)

    def handover(self, shard: Shard, trajectory: Shard) -> Arrays:
        """θ*'s pictures for every branch, named by :func:`branch_name`."""
        return self._made(shard, lambda wanted: self._hand_over(wanted, self.trajectory(trajectory)))

    def fill(self, pairs: Iterable[Pair]) -> None:
        """Make what the store lacks and no other process is making at the moment: runs at the same time so share the work."""
        for ours, theirs in pairs:
            for shard in (ours, theirs):
                if shard is not None and shard not in self.store:
                    with self.store.claim(shard, wait=False) as mine:
                        if mine and shard not in self.store:
                            self.make(shard, ours)

    def make(self, shard: Shard, trajectory: Shard) -> None:
        """A shard of either model."""
        if shard.checkpoint is None:
            self.trajectory(shard)
        else:
            self.handover(shard, trajectory)

    def _made(self, shard: Shard, make: Callable[[Shard], Arrays]) -> Arrays:
        found = self.store.get(shard)
        if found is None:
            with self.store.claim(shard):
                # Another process may have made it while this one waited.
                found = self.store.get(shard) if shard in self.store else None
                found = self._generated(shard, make) if found is None else found
        if shard not in self._told:
            self._told.add(shard)
            self.advance(rows_of(shard))
        return found

    def _generated(self, shard: Shard, make: Callable[[Shard], Arrays]) -> Arrays:
        # A handover may have to make its trajectory first, which notes the same seconds.
        started, before, rows = time.perf_counter(), self.seconds, self.evaluations
        made = make(shard)
        self.store.put(shard, made)
        seconds, alone = time.perf_counter() - started, self.seconds == before
        self.seconds = before + seconds
        if alone:
            self._note(shard, self.evaluations - rows, seconds)
        return made

    def _note(self, shard: Shard, rows: int, seconds: float) -> None:
        """Tell plans how fast it goes, every few seconds."""
        rows, seconds = self._unnoted[0] + rows, self._unnoted[1] + seconds
        if seconds >= NOTED_EVERY:
            note(self.store.root, Work.here("rows", shard.base, shard.layout), rows, seconds)
            rows, seconds = 0, 0.0
        self._unnoted = (rows, seconds)

    def _run_original(self, shard: Shard) -> Arrays:
        prompts, seeds = [p.prompt for p in shard.pictures], [p.seed for p in shard.pictures]
        run = run_original(self.original, prompts, seeds, (*shard.handovers, self.original.steps), shard.layout.batch)
        self.evaluations += run.evaluations
        batch = shard.layout.batch
        arrays: Arrays = {f"latents.{k:04d}": run.latents[k].float().cpu().numpy() for k in shard.handovers}
        arrays |= {clean_name(k): self.original.decode(run.clean[k], batch) for k in shard.handovers if k in run.clean}
        arrays["original"] = self.original.decode(run.latents[self.original.steps], batch)
        return arrays

    def _hand_over(self, shard: Shard, trajectory: Arrays) -> Arrays:
        model = self.unlearned
        latents = {k: torch.from_numpy(trajectory[f"latents.{k:04d}"]).to(model.device, model.dtype) for k in shard.handovers}
        arms: tuple[Arm, ...] = tuple(arm for arm in ("prompt", "empty") if arm in shard.arms)
        finished, evaluations = hand_over(model, [p.prompt for p in shard.pictures], latents, arms, shard.layout.batch)
        self.evaluations += evaluations
        return {branch_name(arm, k): model.decode(value, shard.layout.batch) for (arm, k), value in finished.items()}


def rows_of(shard: Shard) -> int:
    """Denoiser rows that making the shard takes: two a step with guidance (one where it is built in), one without."""
    steps, guided = shard.sampling.steps, FAMILIES[shard.family].rows
    if shard.checkpoint is None:
        return guided * steps * len(shard.pictures)
    per_arm = {"prompt": guided, "empty": 1}
    return len(shard.pictures) * sum(per_arm[arm] * (steps - k) for arm in shard.arms for k in shard.handovers)
