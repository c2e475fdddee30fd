"""The sampler on a device that is not the processor, in half precision, without one at hand.

Tensors of torch's ``meta`` device have no values, and no operation mixes them with the processor's. So a tensor that would be left behind
on the processor raises an error here, as it would on a GPU, and so does whatever waits for a value.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from diffusion.families.tiny import SHIFT, SIZE, TINY
from diffusion.inference_rules.test_forward_passes import rule_of
from pipelines import tiny_pipeline
from unconceal.diffusion import model as models
from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.handover import ARMS, hand_over, run_original
from unconceal.diffusion.model import Model
from unconceal.diffusion.optimize import optimized
from unconceal.specs.inference_rule import RULE_NAMES, RuleName
from unconceal.specs.suite import FamilyName, Sampler

PROMPTS, SEEDS, STEPS, K = ("a red star on a white background", "a ring"), (7, 3), 4, (0, 2, 4)
ELSEWHERE, DTYPE = torch.device("meta"), torch.bfloat16
SAMPLERS = [(name, solver) for name, family in FAMILIES.items() for solver in family.solvers]
READS_VALUES: RuleName = "embedding-projection"
"""The rule that looks at embeddings, once per prompt: it has to wait for them on any device."""


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> dict[FamilyName, Any]:
    return {name: make(tmp_path_factory.mktemp(name), 0) for name, make in TINY.items()}


def finish(original: Model, unlearned: Model) -> None:
    """Hands over in every arm, and checks that all latents are elsewhere and in half precision."""
    run = run_original(original, PROMPTS, SEEDS, K, batch_size=3)
    finished, passes = hand_over(unlearned, original, PROMPTS, run.latents, ARMS, batch_size=3)
    assert len(finished) == len(ARMS) * len(K) and passes > 0
    for latents in (*run.latents.values(), *finished.values()):
        assert (latents.device, latents.dtype, len(latents)) == (ELSEWHERE, DTYPE, len(PROMPTS))
    assert all(clean.device == ELSEWHERE for clean in run.clean_latents.values())


def decoded(model: Model, latents: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """The shapes of the images, which are not copied to the processor: they have no values."""
    shapes: list[torch.Size] = []
    monkeypatch.setattr(models, "images_to_numpy", lambda blocks: shapes.extend(block.shape for block in blocks))
    model.decode(latents, batch_size=1)
    return shapes


def copied(pipeline: Any) -> Any:
    """The pipeline with components of its own, elsewhere."""
    parts = pipeline.components.items()
    moved = {name: copy.deepcopy(part).to(ELSEWHERE, DTYPE) if isinstance(part, torch.nn.Module) else part for name, part in parts}
    return type(pipeline)(**moved)


@pytest.mark.parametrize(("family", "solver"), SAMPLERS)
def test_every_family_and_solver(
    pipelines: dict[FamilyName, Any], family: FamilyName, solver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = Sampler(scheduler=solver, num_inference_steps=STEPS, guidance_scale=3.5, shift=SHIFT if family == "flux" else 1.0)
    pipeline = copied(pipelines[family])
    model = FAMILIES[family].load(optimized(pipeline, ["channels-last"]), sampler.model_copy(update={"image_size": SIZE}))
    finish(model, model)
    assert decoded(model, model.noise(SEEDS), monkeypatch) == [torch.Size((1, SIZE, SIZE, 3))] * len(SEEDS)


@pytest.mark.parametrize("name", [name for name in RULE_NAMES if name != READS_VALUES])
def test_every_rule_that_needs_no_values(tmp_path: Path, name: RuleName) -> None:
    sampler = Sampler(scheduler="ddim", num_inference_steps=STEPS, guidance_scale=5)
    pipeline = copied(tiny_pipeline(tmp_path))
    family = FAMILIES["stable-diffusion"]
    finish(family.load(pipeline, sampler), family.load(pipeline, sampler, rule=rule_of(name)))
