"""Adapters that act beside the model, against the methods' own forward passes written out again."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers
from torch import Tensor, nn

from checkpoints.adapters import erasers, receler
from checkpoints.containers import bfl_state
from pipelines import tiny_pipeline
from unconceal.battery.weight_edits import edited_component
from unconceal.checkpoints.apply import apply
from unconceal.checkpoints.formats import flux_keys


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("base"))


class WithEraser(nn.Module):
    """Receler's wrapper: the attention's output, and a bottleneck of it."""

    def __init__(self, attention: nn.Module, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.attention = attention
        self.bottleneck = nn.Sequential(nn.Linear(state["down.weight"].shape[1], 4), nn.GELU(), nn.Linear(4, state["up.weight"].shape[0]))
        names = {"down": "0", "up": "2"}
        self.bottleneck.load_state_dict({f"{names[key.partition('.')[0]]}.{key.partition('.')[2]}": value for key, value in state.items()})

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        output: Tensor = self.attention(*inputs, **named)
        return self.bottleneck(output) + output  # type: ignore[no-any-return]


@torch.no_grad()
def test_erasers_act_as_receler_wraps_attention(base: StableDiffusionPipeline, tmp_path: Path) -> None:
    path, _ = receler(base, tmp_path)
    pipe, applied = apply(base, path)
    wrapped = copy.deepcopy(base.unet)
    for block, state in erasers(base).items():
        for transformer in wrapped.get_submodule(block).transformer_blocks:
            transformer.attn2 = WithEraser(transformer.attn2, state)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(2, 4, 16, 16, generator=generator), torch.tensor([7, 500]), torch.randn(2, 24, 32, generator=generator)
    own, expected, plain = (unet(*inputs, return_dict=False)[0] for unet in (pipe.unet, wrapped, base.unet))
    assert torch.allclose(own, expected, atol=1e-5) and (own - plain).abs().max() > 1e-3
    assert applied.components["unet"].changed == applied.components["unet"].matched > 0
    copied = copy.deepcopy(pipe.unet)
    for parameter in copied.parameters():
        parameter.data.zero_()
    assert torch.equal(pipe.unet(*inputs, return_dict=False)[0], own), "a copy has its own erasers"
    halved = edited_component(base.unet, pipe.unet, lambda update: 0 * update)
    assert torch.allclose(halved(*inputs, return_dict=False)[0], plain, atol=1e-6), "without its update the base is left"


def test_flux_keys_are_converted_as_diffusers_does() -> None:
    """One row of every tensor's width; diffusers converts transformers of width 3072 alone."""
    generator, width = torch.Generator().manual_seed(0), 3072
    rows = {"img_attn.qkv": 3 * width, "txt_attn.qkv": 3 * width, "linear1": 7 * width, "adaLN_modulation.1": 4}
    state = {}
    for old in original_flux_keys():
        size = next((size for name, size in rows.items() if name in old), 2)
        state[old] = torch.randn(size, 1, generator=generator) if old.endswith("weight") else torch.randn(size, generator=generator)
    expected = convert_flux_transformer_checkpoint_to_diffusers(dict(state))
    own = flux_keys.converted(state, width, "x")
    assert own.keys() == expected.keys() and all(torch.equal(value, expected[key]) for key, value in own.items())


def original_flux_keys() -> list[str]:
    """Every key of a transformer of one block of each kind, from its names in diffusers."""
    from pipelines import tiny_flux

    return list(bfl_state(dict(tiny_flux().transformer.state_dict())))
