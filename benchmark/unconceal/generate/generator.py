"""Generates shards: reads them from the store where possible, else runs the handover sampler."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch

from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.handover import ARMS, hand_over, run_original
from unconceal.diffusion.model import Model
from unconceal.generate.identity import Shard
from unconceal.generate.image_cache import ImageCache
from unconceal.generate.image_cache import Pixels as Pixels
from unconceal.generate.plan import ShardPair
from unconceal.generate.store import Arrays, Store
from unconceal.generate.throughput import Work, add_measurement
from unconceal.specs.inference_rule import InferenceRule

MEASUREMENT_SECONDS = 2.0
"""Seconds of work between two measurements of the throughput."""


def branch_name(arm: str, k: int) -> str:
    """Name of a branch's images in a shard."""
    return f"{arm}.{k:04d}"


OWN_DECODER = "own-decoder"
"""Name of λU decoded by θ*'s VAE, where that differs from θ's."""


def clean_name(k: int) -> str:
    """Name of the decoded x̂0 images of a handover in θ's shard."""
    return f"clean.{k:04d}"


def has_other_decoder(original: Model, unlearned: Model) -> bool:
    """Whether θ* brings a VAE of its own."""
    return unlearned.pipeline.vae is not original.pipeline.vae


@dataclass
class Generator:
    """Generates images with θ and one θ*, and counts forward passes and seconds."""

    store: Store
    original: Model
    unlearned: Model
    advance: Callable[[int], None] = lambda forward_passes: None
    """Called once per shard with its number of forward passes, whether it was generated or read."""
    forward_passes: int = 0
    seconds: float = 0.0
    image_cache: ImageCache = field(init=False)
    _reported: set[Shard] = field(default_factory=set)
    _unmeasured: tuple[int, float] = (0, 0.0)

    def __post_init__(self) -> None:
        self.image_cache = ImageCache(self.store)

    def report_to(self, advance: Callable[[int], None]) -> None:
        """Report progress to another stage, for which every shard counts again."""
        self.advance = advance
        self._reported.clear()

    def trajectory(self, shard: Shard) -> Arrays:
        """θ's own run, from the store if it is there.

        Returns:
            ``latents.KKKK``: float32 latents (n, …) at every handover step; ``original`` and ``clean.KKKK``: uint8 images (n, h, w, 3).
        """
        return self._read(shard) or self._generate_locked(shard, shard)

    def handover(self, shard: Shard, trajectory: Shard) -> Arrays:
        """θ*'s images of every branch, uint8 (n, h, w, 3), by :func:`branch_name`; from the store if they are there.

        They are decoded by θ's VAE; :data:`OWN_DECODER` holds λU decoded by θ*'s, where that differs.
        """
        return self._read(shard) or self._generate_locked(shard, trajectory)

    def continue_latents(self, shard: Shard, latents: Callable[[], Arrays]) -> Arrays:
        """The same for images that are spread over several of θ's shards; from the store if they are there.

        Args:
            shard: of θ*.
            latents: θ's latents of the shard's images at its handovers, by the names of :meth:`trajectory`.
        """
        stored = self._read(shard)
        if stored is not None:
            return stored
        with self.store.lock(shard):
            arrays = self.store.get(shard)
            if arrays is None:
                arrays = self._hand_over(shard, latents())
                self.store.put(shard, arrays)
        self._report(shard)
        return arrays

    def generate_missing(self, pairs: Iterable[ShardPair]) -> None:
        """Generate what the store lacks and no other process is generating: concurrent runs share the work."""
        for trajectory, handover in pairs:
            for shard in (trajectory, handover):
                if shard is not None and shard not in self.store:
                    with self.store.lock(shard, wait=False) as acquired:
                        if acquired and shard not in self.store:
                            self.generate(shard, trajectory)

    def generate(self, shard: Shard, trajectory: Shard) -> Arrays:
        """Generate and store a shard of either model; the caller holds its lock. Another process may have stored it meanwhile.

        Args:
            shard: to generate.
            trajectory: θ's shard that it continues; itself if it is θ's.
        """
        arrays = self.store.get(shard) if shard in self.store else None
        if arrays is None:
            source = None if shard.checkpoint is None else self.trajectory(trajectory)
            started, passes_before = time.perf_counter(), self.forward_passes
            arrays = self._run_original(shard) if source is None else self._hand_over(shard, source)
            self.store.put(shard, arrays)
            self._measure_throughput(shard, self.forward_passes - passes_before, time.perf_counter() - started)
        self._report(shard)
        return arrays

    def _read(self, shard: Shard) -> Arrays | None:
        arrays = self.store.get(shard)
        if arrays is not None:
            self._report(shard)
        return arrays

    def _generate_locked(self, shard: Shard, trajectory: Shard) -> Arrays:
        with self.store.lock(shard):
            return self.generate(shard, trajectory)

    def _report(self, shard: Shard) -> None:
        if shard not in self._reported:
            self._reported.add(shard)
            self.advance(count_forward_passes(shard, self.unlearned.rule))

    def _measure_throughput(self, shard: Shard, forward_passes: int, seconds: float) -> None:
        self.seconds += seconds
        forward_passes, seconds = self._unmeasured[0] + forward_passes, self._unmeasured[1] + seconds
        if seconds >= MEASUREMENT_SECONDS:
            add_measurement(self.store.root, Work.on_this_machine("rows", shard.base, shard.compute), forward_passes, seconds)
            forward_passes, seconds = 0, 0.0
        self._unmeasured = (forward_passes, seconds)

    def _run_original(self, shard: Shard) -> Arrays:
        prompts, seeds = [image.prompt for image in shard.images], [image.seed for image in shard.images]
        batch_size = shard.compute.batch_size
        run = run_original(self.original, prompts, seeds, (*shard.handovers, self.original.steps), batch_size)
        self.forward_passes += run.forward_passes
        arrays: Arrays = {f"latents.{k:04d}": run.latents[k].float().cpu().numpy() for k in shard.handovers}
        arrays |= {clean_name(k): self.original.decode(run.clean_latents[k], batch_size) for k in shard.handovers if k in run.clean_latents}
        arrays["original"] = self.original.decode(run.latents[self.original.steps], batch_size)
        return arrays

    def _hand_over(self, shard: Shard, trajectory: Arrays) -> Arrays:
        model = self.original if shard.is_originals else self.unlearned
        batch_size, prompts = shard.compute.batch_size, [image.prompt for image in shard.images]
        latents = {k: torch.from_numpy(trajectory[f"latents.{k:04d}"]).to(model.device, model.dtype) for k in shard.handovers}
        arms = tuple(arm for arm in ARMS if arm in shard.arms)
        finished, forward_passes = hand_over(model, self.original, prompts, latents, arms, batch_size)
        self.forward_passes += forward_passes
        # θ's decoder: a submission's own could hide what the latents show.
        arrays = {branch_name(arm, k): self.original.decode(value, batch_size) for (arm, k), value in finished.items()}
        if has_other_decoder(self.original, model) and ("prompt", 0) in finished:
            arrays[OWN_DECODER] = model.decode(finished["prompt", 0], batch_size)
        return arrays


def count_forward_passes(shard: Shard, rule: InferenceRule | None = None) -> int:
    """Forward passes of the denoiser that a shard takes.

    Args:
        shard: of θ or of θ*.
        rule: of the submission, by which θ* samples.
    """
    n_evaluations, family = shard.sampling.n_evaluations, FAMILIES[shard.family]
    if shard.checkpoint is None:
        return family.step_passes().guided * n_evaluations * len(shard.images)
    passes = family.step_passes(None if shard.is_originals else rule)
    per_arm = {"prompt": passes.guided, "empty": passes.unguided, "own-empty": passes.unguided}
    return len(shard.images) * sum(per_arm[arm] * (n_evaluations - k) for arm in shard.arms for k in shard.handovers)
