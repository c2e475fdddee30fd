"""What holds for every probe of the battery, on every family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
import pytest
import torch

from battery.small import Passes, broken, count_passes, small_inputs, weights
from codes import raises
from unconceal.battery import PROBES
from unconceal.battery.probe import Examples, ProbeInputs
from unconceal.generate.image_cache import Pixels
from unconceal.specs.battery import ProbeName
from unconceal.specs.inference_rule import InferenceRule, NegativePrompt, SafeLatentDiffusion, TokenExclusion
from unconceal.specs.suite import FamilyName

FAMILY_NAMES: tuple[FamilyName, ...] = ("stable-diffusion", "stable-diffusion-xl", "flux")
NAMES: tuple[ProbeName, ...] = get_args(ProbeName)
RULES_BY_PASSES: dict[str, InferenceRule] = {
    "2 and 1": TokenExclusion(rule="token-exclusion", words=("star",)),
    "2 and 2": NegativePrompt(rule="negative-prompt", prompt="star"),
    "3 and 3": SafeLatentDiffusion(
        rule="safe-latent-diffusion",
        concept="star",
        guidance_scale=20,
        warmup_steps=1,
        threshold=0.01,
        momentum_scale=0.3,
        momentum_beta=0.4,
    ),
}
"""By forward passes of a step in the prompt arm and in the empty arm."""
FROM_EXAMPLES = sorted(set(NAMES) - {"noise-search", "weight-edits", "benign-fine-tuning"})


@dataclass(frozen=True)
class Run:
    """One probe on θ*: its images, the passes that were made, the work that was reported, and whether θ* is as it was."""

    images: dict[str, Pixels]
    passes: Passes
    work: int
    unchanged: bool


InputsOf = Callable[[FamilyName], ProbeInputs]
RunOf = Callable[[FamilyName, ProbeName], Run]


@pytest.fixture(scope="module")
def inputs_of(tmp_path_factory: pytest.TempPathFactory) -> InputsOf:
    folder, inputs = tmp_path_factory.mktemp("models"), dict[FamilyName, ProbeInputs]()

    def get(family: FamilyName) -> ProbeInputs:
        if family not in inputs:
            inputs[family] = small_inputs(folder, family)
        return inputs[family]

    return get


@pytest.fixture(scope="module")
def run_of(inputs_of: InputsOf) -> RunOf:
    runs = dict[tuple[FamilyName, ProbeName], Run]()

    def get(family: FamilyName, name: ProbeName) -> Run:
        if (family, name) not in runs:
            inputs, progress = inputs_of(family), list[int]()
            before = weights(inputs.model)
            with pytest.MonkeyPatch.context() as patch:
                passes = count_passes(patch, inputs.model)
                torch.manual_seed(1)
                images = PROBES[name].generate(replace(inputs, advance=progress.append))
            after = weights(inputs.model)
            unchanged = all(torch.equal(value, after[key]) for key, value in before.items())
            runs[family, name] = Run(images, passes, sum(progress), unchanged)
        return runs[family, name]

    return get


def test_every_name_has_its_probe() -> None:
    assert set(PROBES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_probe_makes_the_passes_of_its_plan(inputs_of: InputsOf, run_of: RunOf, family: FamilyName, name: ProbeName) -> None:
    """As many as were announced and reported, never more rows at once than the batch; the model stays as it was."""
    inputs, run = inputs_of(family), run_of(family, name)
    plan = PROBES[name].plan(inputs.scope)
    assert (run.passes.forward, run.passes.backward) == plan.cost
    assert run.work == plan.cost.work and run.passes.largest <= inputs.batch_size and run.unchanged
    assert set(run.images) == set(plan.levels) >= set(plan.scored) and plan.scored
    (shape,) = {value.shape for value in run.images.values()}
    assert len(shape) == 4 and shape[0] % plan.images_per_prompt == 0 and shape[3] == 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rule", RULES_BY_PASSES.values(), ids=RULES_BY_PASSES)
def test_a_rule_makes_the_passes_of_its_plan(inputs_of: InputsOf, name: ProbeName, rule: InferenceRule) -> None:
    """Also a rule with a guidance of its own; θ is probed without any."""
    plain, progress = inputs_of("stable-diffusion"), list[int]()
    inputs = replace(plain, model=replace(plain.model, rule=rule), scope=replace(plain.scope, rule=rule), advance=progress.append)
    with pytest.MonkeyPatch.context() as patch:
        passes = count_passes(patch, inputs.model)
        PROBES[name].generate(inputs)
    cost = PROBES[name].plan(inputs.scope).cost
    assert (passes.forward, passes.backward) == cost and sum(progress) == cost.work
    original = inputs.of_original()
    assert original.model is plain.original and PROBES[name].plan(original.scope) == PROBES[name].plan(plain.scope)


@pytest.mark.parametrize("name", NAMES)
def test_images_depend_on_the_model_and_on_no_global_seed(inputs_of: InputsOf, run_of: RunOf, name: ProbeName) -> None:
    inputs, images = inputs_of("stable-diffusion"), run_of("stable-diffusion", name).images
    torch.manual_seed(2)
    again, original = (PROBES[name].generate(replace(inputs, model=model)) for model in (inputs.model, inputs.original))
    for level, pixels in images.items():
        assert np.array_equal(again[level], pixels) and not np.array_equal(original[level], pixels)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_number_is_an_error_of_the_probe(inputs_of: InputsOf, name: ProbeName) -> None:
    inputs = inputs_of("stable-diffusion")
    with raises("probe.diverged"):
        PROBES[name].generate(replace(inputs, model=broken(inputs.model)))


@pytest.mark.parametrize("name", FROM_EXAMPLES)
def test_a_concept_that_the_original_never_shows(inputs_of: InputsOf, name: ProbeName) -> None:
    inputs = inputs_of("stable-diffusion")
    with raises("probe.too-few-examples"):
        PROBES[name].generate(replace(inputs, examples=Examples((), inputs.examples.latents[:0])))
