"""The model families that can be evaluated, one file each, in one plain table (no torch: a family's module is imported on first use).

To add one: its file, which subclasses :class:`unconceal.diffusion.model.Model`; its row here; its test
(tests/diffusion/families/), which compares the handover with diffusers' own pipelines.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from unconceal.diffusion.schedule import ddim_timesteps, dpm_timesteps, flow_sigmas, handover_steps, handover_steps_by_sigma
from unconceal.specs.inference_rule import GUIDED_PASSES
from unconceal.specs.suite import FamilyName, Sampler, SchedulerName

if TYPE_CHECKING:
    from unconceal.checkpoints.release import SpmNetwork
    from unconceal.diffusion.model import Model
    from unconceal.diffusion.offload import Offloader
    from unconceal.specs.inference_rule import InferenceRule

Levels = tuple[float, ...]
"""Noise levels of a sampler's steps, descending: timesteps, or σ for flow matching."""


class StepPasses(NamedTuple):
    """Forward passes of one step of one image: in the prompt arm, and in an unguided arm."""

    guided: int
    unguided: int

    @property
    def both_arms(self) -> int:
        return self.guided + self.unguided


class Family(NamedTuple):
    """What planning needs to know of a family.

    Attributes:
        model_class: ``module:class`` in this package.
        pipeline_class: name of diffusers' class.
        forward_passes_per_step: of the denoiser, for one guided step of one image.
        levels: noise levels of a sampler's steps.
        handovers: k of every ψ of a grid, from the levels and N_train.
        solvers: samplers that can hand over, the suites' own first.
    """

    model_class: str
    pipeline_class: str
    forward_passes_per_step: int
    levels: Callable[[Sampler], Levels]
    handovers: Callable[[Sequence[float], Levels, int], dict[float, int]]
    solvers: tuple[SchedulerName, ...]

    def step_passes(self, rule: InferenceRule | None = None) -> StepPasses:
        """Forward passes of a model of this family, with its inference rule."""
        passes = None if rule is None else GUIDED_PASSES.get(rule.rule)
        return StepPasses(passes, passes) if passes else StepPasses(self.forward_passes_per_step, 1)

    def load(
        self,
        pipeline: Any,
        sampler: Sampler,
        spm: SpmNetwork | None = None,
        offloader: Offloader | None = None,
        rule: InferenceRule | None = None,
    ) -> Model:
        """A pipeline as a model of this family, with a suite's sampler.

        Raises:
            CheckFailed: the family has no use for the SPM network or the inference rule.
        """
        module, _, name = self.model_class.partition(":")
        model: Model = getattr(importlib.import_module(f"{__name__}.{module}"), name)(
            pipeline, sampler.num_inference_steps, sampler.guidance_scale, spm, sampler.image_size, offloader, sampler.scheduler, rule
        )
        return model


def _timesteps(sampler: Sampler) -> Levels:
    timesteps = dpm_timesteps if sampler.scheduler == "dpmpp-2m" else ddim_timesteps
    return timesteps(sampler.num_inference_steps, sampler.num_train_timesteps)


def _sigmas(sampler: Sampler) -> Levels:
    return flow_sigmas(sampler.num_inference_steps, sampler.shift)


DISCRETE: tuple[SchedulerName, ...] = ("ddim", "euler", "dpmpp-2m")
FAMILIES: dict[FamilyName, Family] = {
    "stable-diffusion": Family("stable_diffusion:StableDiffusion", "StableDiffusionPipeline", 2, _timesteps, handover_steps, DISCRETE),
    "stable-diffusion-xl": Family(
        "stable_diffusion_xl:StableDiffusionXL", "StableDiffusionXLPipeline", 2, _timesteps, handover_steps, DISCRETE
    ),
    "flux": Family("flux:Flux", "FluxPipeline", 1, _sigmas, handover_steps_by_sigma, ("flow-euler",)),
}
