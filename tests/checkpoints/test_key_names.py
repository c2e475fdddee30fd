from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codes import raises
from pipelines import tiny_pipeline
from unconceal.checkpoints.key_names import by_component, changeable_components, component_of, renamed_to_base


def test_every_key_of_a_real_pipeline_finds_its_component(tmp_path: Path) -> None:
    pipe = tiny_pipeline(tmp_path)
    assert set(changeable_components(pipe)) == {"unet", "text_encoder", "vae"}
    for name, part in changeable_components(pipe).items():
        for key in part.state_dict():
            assert component_of(key) == name and component_of(f"{name}.{key}") == name


def test_prefixes_are_taken_off() -> None:
    bias = torch.ones(1)
    parts = by_component(
        {"unet.conv_in.weight": bias, "conv_out.bias": bias, "text_encoder.text_model.final_layer_norm.bias": bias}, "file"
    )
    assert {name: set(state) for name, state in parts.items()} == {
        "unet": {"conv_in.weight", "conv_out.bias"},
        "text_encoder": {"text_model.final_layer_norm.bias"},
    }


@pytest.mark.parametrize("key", ["lora_unet_down_blocks_0.alpha", "model.diffusion_model.input_blocks.0.0.weight", "cond_stage_model.x"])
def test_foreign_keys_are_refused_by_name(key: str) -> None:
    with raises("checkpoint.unknown-keys") as caught:
        by_component({key: torch.ones(1), "conv_in.weight": torch.ones(1)}, "file")
    assert key in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("component", "stored", "base"),
    [
        ("text_encoder", "text_model.final_layer_norm.bias", "final_layer_norm.bias"),
        ("text_encoder", "final_layer_norm.bias", "text_model.final_layer_norm.bias"),
        ("vae", "decoder.mid_block.attentions.0.query.weight", "decoder.mid_block.attentions.0.to_q.weight"),
        ("vae", "decoder.mid_block.attentions.0.proj_attn.bias", "decoder.mid_block.attentions.0.to_out.0.bias"),
        ("unet", "conv_in.bias", "conv_in.bias"),
    ],
)
def test_old_and_new_spellings_meet(component: str, stored: str, base: str) -> None:
    assert set(renamed_to_base(component, {stored: torch.ones(1)}, {base})) == {base}
