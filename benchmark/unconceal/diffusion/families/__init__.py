"""The model families that can be evaluated, one file each, in one plain table (no torch: a model's file is loaded when it is needed).

To add one: its file, which subclasses :class:`unconceal.diffusion.model.Model`; its row here; its test
(tests/diffusion/families/), which holds the handover against diffusers' own pipelines.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from unconceal.diffusion.schedule import ddim_timesteps, dpm_timesteps, flow_sigmas, handover_steps, handover_steps_by_sigma
from unconceal.specs.suite import FamilyName, Sampler, SchedulerName

if TYPE_CHECKING:
    from unconceal.checkpoints.release import SpmNetwork
    from unconceal.diffusion.model import Model
    from unconceal.diffusion.offload import Offloader

Levels = tuple[float, ...]
"""Where the steps of a sampler stand on the noise schedule, descending: timesteps, or σ for flow matching."""


class Family(NamedTuple):
    """What the plan must know of a family. ``model``: ``module:class`` beside this table; ``pipeline``: diffusers' class.

    ``rows``: rows that go through the denoiser for one guided step of one picture. ``levels``: of a sampler's steps.
    ``handovers``: k of every ψ of a grid, from the levels and N_train. ``solvers``: with which it can hand over, the suites' own first.
    """

    model_class: str
    pipeline_class: str
    forward_passes_per_step: int
    levels: Callable[[Sampler], Levels]
    handovers: Callable[[Sequence[float], Levels, int], dict[float, int]]
    solvers: tuple[SchedulerName, ...]

    def load(self, pipe: Any, sampler: Sampler, membrane: SpmNetwork | None = None, stage: Offloader | None = None) -> Model:
        """A pipeline as a model of this family, with a suite's sampler; ``stage``: where its parts are brought when they work."""
        module, _, name = self.model_class.partition(":")
        made: Model = getattr(importlib.import_module(f"{__name__}.{module}"), name)(
            pipe, sampler.num_inference_steps, sampler.guidance_scale, membrane, sampler.image_size, stage, sampler.scheduler
        )
        return made


def _timesteps(sampler: Sampler) -> Levels:
    spaced = dpm_timesteps if sampler.scheduler == "dpmpp-2m" else ddim_timesteps
    return spaced(sampler.num_inference_steps, sampler.num_train_timesteps)


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
