"""Edits of the update, against arithmetic by hand and numpy's decomposition."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from battery.small import broken, small_inputs, weights, with_settings
from codes import raises
from unconceal.battery.probe import ProbeInputs
from unconceal.battery.weight_edits import WEIGHT_EDITS, edited_component, edited_model, edited_update, edits, without_directions
from unconceal.checkpoints.low_rank import LowRank
from unconceal.checkpoints.release import Spm, SpmNetwork
from unconceal.diffusion.model import Model
from unconceal.specs.battery import WeightEdits


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ProbeInputs:
    return small_inputs(tmp_path_factory.mktemp("models"))


def scaled(inputs: ProbeInputs, scale: float) -> Model:
    return edited_model(inputs.original, inputs.model, lambda update: scale * update)


def test_the_plan_by_hand(inputs: ProbeInputs) -> None:
    plan = WEIGHT_EDITS.plan(with_settings(inputs, weight_edits=WeightEdits(scales=(0.5, 0.8), n_directions=2, n_prompts=3)).scope)
    assert plan.levels == ("update × 0.5", "update × 0.8", "2 directions removed") and plan.cost == (3 * 3 * 8, 0)


def test_scales_interpolate_between_both_models(inputs: ProbeInputs) -> None:
    start, end = weights(inputs.original), weights(inputs.model)
    for scale in (0.0, 0.5, 1.0):
        for name, value in weights(scaled(inputs, scale)).items():
            torch.testing.assert_close(value, (1 - scale) * start[name] + scale * end[name])


def test_what_is_shared_with_the_original_is_not_copied(inputs: ProbeInputs) -> None:
    pipeline = copy.copy(inputs.model.pipeline)
    pipeline.text_encoder = inputs.original.pipeline.text_encoder
    edited = scaled(replace(inputs, model=replace(inputs.model, pipeline=pipeline)), 0.5)
    assert edited.pipeline.text_encoder is inputs.original.pipeline.text_encoder
    assert edited.denoiser is not inputs.model.denoiser


def test_no_update_changes_nothing(inputs: ProbeInputs) -> None:
    """Of θ itself every edit leaves θ."""
    images = WEIGHT_EDITS.generate(replace(inputs, model=inputs.original))
    plain = inputs.generate(inputs.original, inputs.scope.forget[:3], inputs.seeds(inputs.scope.forget[:3]))
    assert len(images) == 2 and all(np.array_equal(value, plain) for value in images.values())


@pytest.mark.parametrize("shape", [(6, 9), (5, 3, 2, 2)])
def test_the_largest_directions_are_removed(shape: tuple[int, ...]) -> None:
    update = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, values, right = np.linalg.svd(update.flatten(1).numpy(), full_matrices=False)
    expected = (left[:, 2:] * values[2:]) @ right[2:]
    np.testing.assert_allclose(without_directions(update, 2).flatten(1).numpy(), expected, atol=1e-5)


def test_an_update_of_one_direction_is_undone_and_a_vector_stays() -> None:
    update = torch.outer(torch.arange(1.0, 5), torch.arange(1.0, 7))
    assert without_directions(update, 1).abs().max() < 1e-5
    assert torch.equal(without_directions(torch.ones(3), 1), torch.ones(3))


def test_half_precision_is_edited_in_float32() -> None:
    """The update 2⁻⁷ is tripled: 1 + 3 · 2⁻⁷, a bfloat16."""
    base, changed = (torch.nn.Linear(1, 1, bias=False, dtype=torch.bfloat16) for _ in range(2))
    with torch.no_grad():
        base.weight.fill_(1)
        changed.weight.fill_(1 + 2**-7)
    seen: list[torch.Tensor] = []
    edited = edited_component(base, changed, lambda update: seen.append(update) or 3 * update)  # type: ignore[func-returns-value]
    assert seen[0].dtype == torch.float32 and edited.weight.dtype == torch.bfloat16
    assert edited.weight.item() == 1 + 3 * 2**-7 and changed.weight.item() == 1 + 2**-7


def test_models_of_other_shapes_are_no_update() -> None:
    with pytest.raises(NotImplementedError):
        edited_component(torch.nn.Linear(2, 2), torch.nn.Linear(2, 3), lambda update: update)
    with pytest.raises(NotImplementedError):
        edited_component(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2, bias=False), lambda update: update)


@pytest.mark.parametrize(("down", "up"), [((2, 6), (5, 2)), ((2, 3, 3, 3), (4, 2, 1, 1))])
def test_the_update_of_a_network_beside_the_denoiser(inputs: ProbeInputs, down: tuple[int, ...], up: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    update = LowRank(torch.randn(down, generator=generator), torch.randn(up, generator=generator), 0.5)
    shape = (up[0], *down[1:])
    spm = SpmNetwork("unet", (Spm({"layer": update}, ("a star",)),))
    model = replace(inputs.model, spm=spm, pipeline=inputs.original.pipeline)
    edited = edited_model(inputs.original, model, lambda value: 0.3 * value)
    assert edited.denoiser is inputs.original.denoiser and edited.spm is not None and edited.spm.membranes[0].prompts == ("a star",)
    torch.testing.assert_close(edited.spm.membranes[0].updates["layer"].product(shape), 0.3 * update.product(shape))
    for n, rank in ((1, 1), (2, 0)):
        rest = edited_update(update, partial(without_directions, n=n)).product(shape)
        assert int((torch.linalg.svdvals(rest.flatten(1)) > 1e-4).sum()) == rank


def test_a_weight_that_is_no_number(inputs: ProbeInputs) -> None:
    edit = edits(WeightEdits())["1 direction removed"]
    with raises("probe.diverged"):
        edited_model(inputs.original, broken(inputs.model), edit)
