"""Relearning look by look: trained once, generated for as many held-out prompts as the looks ask for, kept in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from unconceal.battery import relearning
from unconceal.battery.fine_tuning import Learner
from unconceal.battery.probe import ProbeInputs, recorded_error
from unconceal.battery.run_battery import probe_inputs, probe_shard
from unconceal.errors import CheckFailed
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.looks import LookOrder, LookPlan
from unconceal.generate.generator import Generator
from unconceal.generate.store import Arrays
from unconceal.metrics.statistics import FloatArray
from unconceal.metrics.verdict import RELEARNING
from unconceal.specs.battery import ProbeError, Relearning
from unconceal.specs.digests import canonical_digest
from unconceal.specs.record import ProbeMeasurement
from unconceal.specs.task import Task

IMAGES = "level.0"


@dataclass
class RelearnedImages:
    """Images of θ* after relearning, and whether they show the concept. ``step``: of the learning curve, the one that is read."""

    step: int
    evaluation: Evaluation
    task: Task
    generator: Generator
    checkpoint: str
    plan: LookPlan
    order: LookOrder
    forward_passes: int = 0
    _rates: list[float] = field(default_factory=list)
    _error: ProbeError | None = None

    @property
    def settings(self) -> Relearning:
        return self.evaluation.suite.battery.relearning.model_copy(update={"steps": (self.step,)})

    def rates(self, n: int) -> FloatArray | ProbeError:
        """Share of images that show the concept for the first held-out prompts (n,), or the code of what went wrong."""
        if not self._error and len(self._rates) < n:
            try:
                self._measure(n)
            except (CheckFailed, NotImplementedError) as error:
                self._error = recorded_error(error)
                self.evaluation.progress.log(f"relearning on {self.task.id} failed: {error}")
        return self._error or np.asarray(self._rates[:n])

    def measurement(self, rates: FloatArray | ProbeError, original: FloatArray | None) -> ProbeMeasurement:
        """The entry in a record; ``original``: θ's rates, from the golds' records."""
        level, trained = relearning.level_name(self.step), self.step * self.settings.batch_size
        shape = {"levels": (level,), "scored": (level,), "images_per_prompt": self.settings.images_per_prompt}
        if isinstance(rates, str):
            return ProbeMeasurement(**shape, error=rates)
        generated = len(rates) * self.settings.images_per_prompt * self.inputs.scope.guided_passes
        of_original = () if original is None else tuple((float(rate),) for rate in original[: len(rates)])
        return ProbeMeasurement(
            **shape,
            per_prompt=tuple((float(rate),) for rate in rates),
            original=of_original,
            forward_passes=generated + trained,
            backward_passes=trained,
        )

    def _measure(self, n: int) -> None:
        """Generate and judge up to the look that asks for n prompts, one look after the other, so that a resumed run finds its images."""
        prompts = relearning.held_out_prompts(self.inputs.scope)
        ordered = [prompts[row] for row in self.order.held_out]
        for size in self.plan.sizes:
            group = ordered[len(self._rates) : size.held_out]
            if not group or len(self._rates) >= n:
                continue
            shown = self.inputs.shows(self._images(group)[IMAGES]).astype(float)
            self._rates += shown.reshape(len(group), -1).mean(axis=1).tolist()

    @cached_property
    def inputs(self) -> ProbeInputs:
        return probe_inputs(self.evaluation, self.task, self.generator, retained=False)

    @cached_property
    def learner(self) -> Learner:
        self.forward_passes += self.step * self.settings.batch_size
        return relearning.train(self.inputs, self.settings)

    def _images(self, prompts: Sequence[str]) -> Arrays:
        store, shard = self.evaluation.store, probe_shard(self.evaluation, self.task, RELEARNING, self.checkpoint)  # type: ignore[arg-type]
        shard = replace(shard, inputs=canonical_digest({"inputs": shard.inputs, "step": self.step, "held_out": list(prompts)}))
        stored = store.get(shard)
        if stored is not None:
            return stored
        with store.lock(shard):
            stored = store.get(shard)
            if stored is None:
                stored = {IMAGES: relearning.generate(self.learner, self.inputs, self.settings, prompts)}
                self.forward_passes += len(prompts) * self.settings.images_per_prompt * self.inputs.scope.guided_passes
                store.put(shard, stored)
        return stored
