"""Generates and judges the images of one row for as many prompts as the looks ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from unconceal.evaluation.curves import ORIGINAL_PRESENCE, PRESENCE, K, make_curve
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.looks import LookOrder, LookPlan, Reference
from unconceal.evaluation.relearned_images import RelearnedImages
from unconceal.generate.generator import OWN_DECODER, Generator, branch_name
from unconceal.generate.identity import ImageKey, Shard
from unconceal.generate.image_cache import BATCH_IMAGES, Pixels
from unconceal.generate.plan import Block, Plan
from unconceal.generate.store import Arrays
from unconceal.metrics.statistics import FloatArray
from unconceal.metrics.verdict import RELEARNING, RetainedRates
from unconceal.specs.battery import ProbeError
from unconceal.specs.record import Curve, ProbeMeasurement
from unconceal.specs.sequential import Sequential
from unconceal.specs.suite import DECIDING_ARMS, Arm
from unconceal.specs.task import Task

Rates = dict[str, list[float]]
"""Rates per prompt by the name of a branch."""
ORIGINAL = "original"


def plan_look_shards(block: Block, rows: Sequence[int], settings: Sequential) -> list[Shard]:
    """θ*'s shards for some prompts of a block: ψ = 0 under the prompt, and the tier's ratios in both arms.

    Args:
        block: of the full tier.
        rows: positions of the prompts, in the order of use.
        settings: of the tier.
    """
    psi = (settings.retain_psi,) if block.name == "retain" else settings.psi
    steps = tuple(sorted({block.k[value] for value in psi}))
    keys = [image for shard in block.trajectories for image in shard.images]
    images = [keys[row * block.seeds + seed] for row in rows for seed in range(block.seeds)]
    pattern = block.handovers[0]
    size = pattern.compute.shard_size
    groups = [tuple(images[start : start + size]) for start in range(0, len(images), size)]
    branches = ((block.k[0.0],), ("prompt",)), (steps, DECIDING_ARMS)
    return [replace(pattern, handovers=handovers, arms=arms, images=group) for group in groups for handovers, arms in branches]


@dataclass
class LiveAnswers:
    """The judge's answers on one row, measured when they are asked for; see :class:`unconceal.evaluation.looks.Observations`.

    Attributes:
        relearning_step: at which relearning is read.
        full: the full tier's plan, whose shards of θ are continued.
        advance: called with the number of further forget prompts.
        seconds: judging and relearning, by phase.
    """

    evaluation: Evaluation
    task: Task
    generator: Generator
    checkpoint: str
    relearning_step: int
    full: Plan
    plan: LookPlan
    order: LookOrder
    advance: Callable[[int], None] = lambda prompts: None
    seconds: dict[str, float] = field(default_factory=dict)
    _forget: Rates = field(default_factory=dict)
    _retain: Rates = field(default_factory=dict)
    _retain_original: Rates = field(default_factory=dict)
    _relearned: FloatArray | ProbeError | None = None

    @property
    def settings(self) -> Sequential:
        return self.plan.settings

    def own_presence(self, n: int) -> FloatArray:
        self._measure_forget(n)
        return np.asarray(self._forget["p0"][:n])

    def presence(self, arm: Arm, n: int) -> FloatArray:
        self._measure_forget(n)
        block = self.full.evaluation
        return np.stack([self._forget[branch_name(arm, block.k[psi])][:n] for psi in self.settings.psi], axis=-1)

    def retained(self, n: int) -> Mapping[Arm, RetainedRates]:
        self._measure_retain(n)
        psi, name = self.settings.retain_psi, branch_name("empty", self.full.retain.k[self.settings.retain_psi])
        own, original = self._retain, np.asarray(self._retain[ORIGINAL][:n])
        guided = branch_name("prompt", self.full.retain.k[psi])
        prompt = np.stack([own["p0"][:n], own[guided][:n], original], axis=-1)
        empty = np.stack([own[name][:n], original], axis=-1)
        empty_original = np.stack([self._retain_original[name][:n], original], axis=-1)
        of_original = np.broadcast_to(original[:, None], prompt.shape)
        return {"prompt": RetainedRates((0.0, psi, 1.0), prompt, of_original), "empty": RetainedRates((psi, 1.0), empty, empty_original)}

    def relearned(self, n: int) -> FloatArray | str:
        with self._phase(RELEARNING):
            self._relearned = self.relearned_images.rates(n)
        return self._relearned

    @cached_property
    def relearned_images(self) -> RelearnedImages:
        return RelearnedImages(self.relearning_step, self.evaluation, self.task, self.generator, self.checkpoint, self.plan, self.order)

    @property
    def relearned_prompts(self) -> int | None:
        """Number of held-out prompts after relearning; None if it was not tried."""
        return None if self._relearned is None else 0 if isinstance(self._relearned, str) else len(self._relearned)

    @property
    def probe_passes(self) -> int:
        """Forward passes of relearning."""
        return 0 if self._relearned is None else self.relearned_images.forward_passes

    def battery(self, reference: Reference) -> dict[str, ProbeMeasurement]:
        """Relearning's entry in the record; empty if it was not tried."""
        if self._relearned is None:
            return {}
        return {RELEARNING: self.relearned_images.measurement(self._relearned, reference.original_relearned)}

    def curves(self) -> list[Curve]:
        """The presence curves of all prompts used, in the order of use."""
        curves = list(self._presence_curves(self._forget, self.full.evaluation, self.settings.psi, PRESENCE))
        if self._retain:
            block, psi = self.full.retain, (self.settings.retain_psi,)
            curves += self._presence_curves(self._retain, block, psi, PRESENCE)
            original = {**self._retain_original, ORIGINAL: self._retain[ORIGINAL]}
            curves += [curve for curve in self._presence_curves(original, block, psi, ORIGINAL_PRESENCE) if curve.arm == "empty"]
        return curves

    def _presence_curves(self, rates: Rates, block: Block, psi: Sequence[float], name: str) -> Iterator[Curve]:
        split, n_images = "retain" if block.name == "retain" else "forget", len(rates[ORIGINAL]) * block.seeds
        for arm in DECIDING_ARMS:
            columns = {value: branch_name(arm, block.k[value]) for value in psi} | {1.0: ORIGINAL}
            columns = ({0.0: "p0"} if arm == "prompt" else {}) | columns
            if all(column in rates for column in columns.values()):
                k: K = {value: block.k[value] for value in columns}
                values = np.stack([rates[column] for column in columns.values()], axis=-1)
                yield make_curve(name, split, k, values, n_images, arm)  # type: ignore[arg-type]

    def _measure_forget(self, n: int) -> None:
        block, done = self.full.evaluation, len(self._forget.get("p0", ()))
        rows = self.order.forget[done:n]
        if not rows:
            return
        judge, reference = self.evaluation.suite_models.judge_for(self.task), self.task.judge
        self._extend(self._forget, block, rows, lambda pixels, keys: judge.shows(pixels, reference.head, reference.label).astype(float))
        self.advance(len(rows))

    def _measure_retain(self, n: int) -> None:
        block, done = self.full.retain, len(self._retain.get("p0", ()))
        rows = self.order.retain[done:n]
        if not rows:
            return

        def shown(pixels: Pixels, keys: Sequence[ImageKey]) -> FloatArray:
            labels = self.evaluation.suite_models.judge.labels(pixels)
            concepts = [self._retained_concepts[key.prompt] for key in keys]
            return np.array([labels[head][i] == concept for i, (head, concept) in enumerate(concepts)], float)

        self._extend(self._retain, block, rows, shown)
        name = branch_name("empty", block.k[self.settings.retain_psi])
        images = self._gather(self.full.retain_original, rows, name, of_original=True)
        self._add(self._retain_original, name, images, self._keys(block, rows), block.seeds, shown)

    @cached_property
    def _retained_concepts(self) -> dict[str, tuple[str, str]]:
        return {prompt.text: (prompt.head or "subject", prompt.concept or "") for prompt in self.task.retain}

    def _extend(self, rates: Rates, block: Block, rows: Sequence[int], shown: Callable[[Pixels, Sequence[ImageKey]], FloatArray]) -> None:
        """Generate and judge further prompts of a block in every branch of the tier."""
        keys = self._keys(block, rows)
        images: dict[str, list[Pixels]] = {}
        for shard in plan_look_shards(block, rows, self.settings):
            arrays = self.generator.continue_latents(shard, lambda shard=shard: self._latents(block, shard))  # type: ignore[misc]
            for name, pixels in arrays.items():
                images.setdefault("p0" if name == branch_name("prompt", block.k[0.0]) else name, []).append(pixels)
        own_decoder = images.pop(OWN_DECODER, None)
        for name, parts in images.items():
            self._add(rates, name, np.concatenate(parts), keys, block.seeds, shown)
        if own_decoder is not None and block.name != "retain":
            by_own: Rates = {}
            self._add(by_own, "p0", np.concatenate(own_decoder), keys, block.seeds, shown)
            rates["p0"][-len(rows) :] = list(np.maximum(rates["p0"][-len(rows) :], by_own["p0"]))
        self._add(rates, ORIGINAL, self._gather(block, rows, ORIGINAL), keys, block.seeds, shown)

    def _add(
        self,
        rates: Rates,
        name: str,
        pixels: Pixels,
        keys: Sequence[ImageKey],
        seeds: int,
        shown: Callable[[Pixels, Sequence[ImageKey]], FloatArray],
    ) -> None:
        with self._phase("judge"):
            groups = range(0, len(pixels), BATCH_IMAGES)
            answers = [shown(pixels[start : start + BATCH_IMAGES], keys[start : start + BATCH_IMAGES]) for start in groups]
        rates.setdefault(name, []).extend(np.concatenate(answers).astype(float).reshape(-1, seeds).mean(axis=1).tolist())

    def _keys(self, block: Block, rows: Sequence[int]) -> list[ImageKey]:
        keys = [image for shard in block.trajectories for image in shard.images]
        return [keys[row * block.seeds + seed] for row in rows for seed in range(block.seeds)]

    def _latents(self, block: Block, shard: Shard) -> Arrays:
        """θ's latents of a look's images."""
        names = [f"latents.{k:04d}" for k in shard.handovers]
        return self._select(block, shard.images, names, of_original=False)

    def _gather(self, block: Block, rows: Sequence[int], name: str, of_original: bool = False) -> Pixels:
        """One array of θ's images for some prompts; ``of_original``: from θ's own continuations."""
        return self._select(block, self._keys(block, rows), [name], of_original)[name]

    def _select(self, block: Block, keys: Sequence[ImageKey], names: Sequence[str], of_original: bool) -> Arrays:
        position = {key: (i, row) for i, shard in enumerate(block.trajectories) for row, key in enumerate(shard.images)}
        arrays: dict[int, Arrays] = {}
        for number in sorted({position[key][0] for key in keys}):
            trajectory = block.trajectories[number]
            source = self.generator.handover(block.handovers[number], trajectory) if of_original else self.generator.trajectory(trajectory)
            arrays[number] = {name: source[name] for name in names}
        return {name: np.stack([arrays[number][name][row] for number, row in map(position.__getitem__, keys)]) for name in names}

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
