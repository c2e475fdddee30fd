"""What holds for every probe of the battery, on every family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from battery.small import broken, count_passes, small_inputs, weights
from codes import raises
from unconceal.battery import PROBES
from unconceal.battery.probe import Examples, ProbeInputs
from unconceal.specs.battery import ProbeName
from unconceal.specs.suite import FamilyName

FAMILY_NAMES: tuple[FamilyName, ...] = ("stable-diffusion", "stable-diffusion-xl", "flux")
NAMES: tuple[ProbeName, ...] = get_args(ProbeName)
FROM_EXAMPLES = sorted(set(NAMES) - {"noise-search", "weight-edits", "benign-fine-tuning"})
InputsOf = Callable[[FamilyName], ProbeInputs]


@pytest.fixture(scope="module")
def inputs_of(tmp_path_factory: pytest.TempPathFactory) -> InputsOf:
    folder, inputs = tmp_path_factory.mktemp("models"), dict[FamilyName, ProbeInputs]()

    def get(family: FamilyName) -> ProbeInputs:
        if family not in inputs:
            inputs[family] = small_inputs(folder, family)
        return inputs[family]

    return get


def test_every_name_has_its_probe() -> None:
    assert set(PROBES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_probe_makes_the_passes_of_its_plan(
    inputs_of: InputsOf, family: FamilyName, name: ProbeName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as were announced and reported, never more rows at once than the batch; the model stays as it was."""
    inputs, progress = inputs_of(family), list[int]()
    plan, before = PROBES[name].plan(inputs.scope), weights(inputs.model)
    passes = count_passes(monkeypatch, inputs.model)
    images = PROBES[name].generate(replace(inputs, advance=progress.append))
    assert (passes.forward, passes.backward) == plan.cost
    assert sum(progress) == plan.cost.work and passes.largest <= inputs.batch_size
    assert set(images) == set(plan.levels) >= set(plan.scored) and plan.scored
    (shape,) = {value.shape for value in images.values()}
    assert len(shape) == 4 and shape[0] % plan.images_per_prompt == 0 and shape[3] == 3
    after = weights(inputs.model)
    assert all(torch.equal(value, after[key]) for key, value in before.items())


@pytest.mark.parametrize("name", NAMES)
def test_a_probe_gives_the_same_images_again(inputs_of: InputsOf, name: ProbeName) -> None:
    inputs = inputs_of("stable-diffusion")
    torch.manual_seed(1)
    first = PROBES[name].generate(inputs)
    torch.manual_seed(2)
    second = PROBES[name].generate(inputs)
    assert all(np.array_equal(first[level], second[level]) for level in first)


@pytest.mark.parametrize("name", NAMES)
def test_a_probe_depends_on_the_model(inputs_of: InputsOf, name: ProbeName) -> None:
    inputs = inputs_of("stable-diffusion")
    probed, original = (PROBES[name].generate(replace(inputs, model=model)) for model in (inputs.model, inputs.original))
    assert all(not np.array_equal(probed[level], original[level]) for level in probed)


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
