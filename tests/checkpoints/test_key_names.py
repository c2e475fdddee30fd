from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipelines import tiny_pipeline
from unconceal.checkpoints.key_names import changeable_components, component_of, renamed_to_base, split_key


def test_every_key_of_a_real_pipeline_finds_its_component(tmp_path: Path) -> None:
    pipe = tiny_pipeline(tmp_path)
    assert set(changeable_components(pipe)) == {"unet", "text_encoder", "vae"}
    for name, part in changeable_components(pipe).items():
        for key in part.state_dict():
            assert component_of(key) == name and split_key(f"{name}.{key}") == (f"{name}.", name, None, key)
            assert split_key(key) == ("", None, None, key)


@pytest.mark.parametrize(
    ("whole", "prefix", "component", "copy"),
    [
        ("unet.conv_in.weight", "unet.", "unet", None),
        ("module.unet.module.conv_in.weight", "module.unet.module.", "unet", None),
        ("state_dict.model.diffusion_model.conv_in.weight", "state_dict.model.diffusion_model.", "unet", None),
        ("text_encoder.text_model.final_layer_norm.bias", "text_encoder.", "text_encoder", None),
        ("ema.module.conv_in.weight", "ema.module.", None, "ema"),
        ("conditioner.embedders.1.model.ln_final.bias", "conditioner.embedders.1.model.", "text_encoder_2", None),
        ("vae.unet.conv_in.weight", "vae.", "vae", None),
        ("control_model.x", "", None, None),
    ],
)
def test_prefixes_are_taken_off_in_order(whole: str, prefix: str, component: str | None, copy: str | None) -> None:
    assert split_key(whole) == (prefix, component, copy, whole.removeprefix(prefix))


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
