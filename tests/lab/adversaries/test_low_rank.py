from __future__ import annotations

import copy
from pathlib import Path

import torch
from safetensors.torch import save_file

from pipelines import tiny_pipeline
from unconceal.checkpoints.apply import apply
from unconceal_lab.adversaries.low_rank import add_updates, to_lora


def test_the_file_merges_to_the_trained_weights(tmp_path: Path) -> None:
    pipeline = tiny_pipeline(tmp_path / "base")
    student, generator = copy.deepcopy(pipeline.unet), torch.Generator().manual_seed(0)
    updates = add_updates(student, lambda layer: ".attn2." in layer, 3, generator)
    assert {name.rpartition("attn2.")[2] for name in updates} == {"to_q", "to_k", "to_v", "to_out.0"}
    trainable = [name for name, weight in student.named_parameters() if weight.requires_grad]
    assert len(trainable) == 2 * len(updates) and all("parametrizations" in name for name in trainable)

    x, t, embeds = torch.randn(2, 4, 16, 16, generator=generator), torch.tensor([10, 500]), torch.randn(2, 5, 32, generator=generator)
    with torch.no_grad():
        assert torch.equal(student(x, t, embeds).sample, pipeline.unet(x, t, embeds).sample), "an update begins at zero"
        for update in updates.values():
            update.up.normal_(generator=generator)
        save_file(to_lora("unet", updates), tmp_path / "lora.safetensors")
        merged, applied = apply(pipeline, tmp_path / "lora.safetensors")
        assert applied.format == "lora"
        assert torch.allclose(merged.unet(x, t, embeds).sample, student(x, t, embeds).sample, atol=1e-2)
        assert not torch.allclose(student(x, t, embeds).sample, pipeline.unet(x, t, embeds).sample, atol=1e-2)
