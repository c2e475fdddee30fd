"""Weight edits: the update θ* − θ is weakened, or loses its largest singular directions.

A method that edits weights in closed form, or prunes them, hides the concept behind a small update that is undone in part.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from unconceal.battery.fine_tuning import TEXT_ENCODERS
from unconceal.battery.probe import BatteryPlan, Cost, Probe, ProbeInputs, ProbeScope, diverged
from unconceal.checkpoints.low_rank import LowRank
from unconceal.checkpoints.release import SpmNetwork
from unconceal.diffusion.model import Model
from unconceal.generate.image_cache import Pixels
from unconceal.specs.battery import WeightEdits

Edit = Callable[[torch.Tensor], torch.Tensor]
"""What becomes of the update of one weight, float32."""
SEED = 83
OVERSAMPLING, N_ITERATIONS = 4, 4
"""Of the randomized singular value decomposition."""


def edits(settings: WeightEdits) -> dict[str, Edit]:
    """The edits by level."""
    scaled: dict[str, Edit] = {f"update × {scale:g}": partial(torch.mul, scale) for scale in settings.scales}
    n = settings.n_directions
    return scaled | {f"{n} direction{'s' if n > 1 else ''} removed": partial(without_directions, n=n)}


def plan(scope: ProbeScope) -> BatteryPlan:
    """One level for each edit; the last, without its largest directions, is scored.

    On the star of the miniature it brings three concealers back above golds; scaling by .5 brings back two, by .8 hardly any.
    """
    settings = scope.battery.weight_edits
    levels, prompts = tuple(edits(settings)), scope.first_prompts(settings.n_prompts)
    return BatteryPlan(1, levels, levels[-1:], Cost(len(levels) * len(prompts) * scope.guided_passes))


def generate(inputs: ProbeInputs) -> dict[str, Pixels]:
    """Generate the forget prompts with each edited model."""
    settings = inputs.battery.weight_edits
    prompts = inputs.scope.first_prompts(settings.n_prompts)
    seeds = inputs.seeds(prompts)
    return {
        level: inputs.generate(edited_model(inputs.original, inputs.model, edit), prompts, seeds) for level, edit in edits(settings).items()
    }


def edited_model(original: Model, model: Model, edit: Edit) -> Model:
    """A copy of θ* whose update is edited in the denoiser, the text encoders, and a network that acts beside the denoiser.

    Raises:
        NotImplementedError: θ* has weights of other names or shapes than θ.
    """
    pipeline = copy.copy(model.pipeline)
    for name in (model.denoiser_name, *TEXT_ENCODERS):
        base, changed = getattr(original.pipeline, name, None), getattr(model.pipeline, name, None)
        if changed is not None and changed is not base:
            setattr(pipeline, name, edited_component(base, changed, edit))
    return replace(model, pipeline=pipeline, spm=model.spm and edited_network(model.spm, edit))


def edited_network(spm: SpmNetwork, edit: Edit) -> SpmNetwork:
    """An SPM network with each update of each membrane edited."""
    edited = (
        replace(membrane, updates={name: edited_update(update, edit) for name, update in membrane.updates.items()})
        for membrane in spm.membranes
    )
    return replace(spm, membranes=tuple(edited))


@torch.no_grad()
def edited_component(base: Any, changed: Any, edit: Edit) -> Any:
    """A copy of a component: base + edit(changed − base), in float32, for each of its weights.

    Modules that θ* has beside θ's, such as erasers, are an update of nothing.
    """
    weights = dict(base.named_parameters()) if base is not None else {}
    component = copy.deepcopy(changed)
    parameters = dict(component.named_parameters())
    shapes = {name: value.shape for name, value in parameters.items()}
    if any(shapes.get(name) != value.shape for name, value in weights.items()):
        raise NotImplementedError("the model has weights of other names or shapes than θ, so it is no update of θ")
    for name, value in parameters.items():
        start = weights[name].to(value.device).float() if name in weights else torch.zeros_like(value, dtype=torch.float32)
        update = value.float() - start
        if not torch.isfinite(update).all():
            raise diverged(f"{name} is not finite")
        if update.any():
            value.copy_(start + edit(update))
    return component


def edited_update(update: LowRank, edit: Edit) -> LowRank:
    """A low-rank update after an edit that does not raise its rank."""
    shape = (len(update.up), *update.down.shape[1:])
    left, values, right = largest_directions(edit(update.product(shape)).flatten(1), len(update.down))
    return LowRank(down=right.T.reshape(-1, *shape[1:]), up=left * values, scale=1.0)


def without_directions(update: torch.Tensor, n: int) -> torch.Tensor:
    """A weight's update without its n largest singular directions; kernels as matrices (out, rest), vectors stay."""
    if update.ndim < 2:
        return update
    matrix = update.flatten(1)
    left, values, right = largest_directions(matrix, n)
    return (matrix - left * values @ right.T).view_as(update)


def largest_directions(matrix: torch.Tensor, n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The n largest singular directions of (rows, columns): left (rows, n), values (n,), right (columns, n)."""
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        left, values, right = torch.svd_lowrank(matrix, min(n + OVERSAMPLING, *matrix.shape), N_ITERATIONS)
    return left[:, :n], values[:n], right[:, :n]


WEIGHT_EDITS = Probe(plan, torch.inference_mode()(generate))
