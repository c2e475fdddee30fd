from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codes import raises
from pipelines import tiny_pipeline
from unconceal.checkpoints.base_pipeline import load_base
from unconceal.checkpoints.key_names import changeable_components


def test_half_precision_files_are_cast(tmp_path: Path) -> None:
    pipe = tiny_pipeline(tmp_path / "base")
    pipe.text_encoder.half()
    pipe.save_pretrained(tmp_path / "mixed")
    for dtype in (torch.float32, torch.bfloat16):
        loaded = load_base(tmp_path / "mixed", dtype=dtype)
        assert {parameter.dtype for part in changeable_components(loaded).values() for parameter in part.parameters()} == {dtype}
        assert not any(parameter.requires_grad for part in changeable_components(loaded).values() for parameter in part.parameters())


def test_the_scheduler_never_clips_latents(tmp_path: Path) -> None:
    tiny_pipeline(tmp_path / "base")
    config = tmp_path / "base" / "scheduler" / "scheduler_config.json"
    config.write_text(config.read_text().replace('"clip_sample": false', '"clip_sample": true').replace("DDIM", "PNDM"))
    loaded = load_base(tmp_path / "base")
    assert type(loaded.scheduler).__name__ == "DDIMScheduler" and loaded.scheduler.config.clip_sample is False
    assert loaded.scheduler.config.beta_schedule == "scaled_linear"


def test_it_generates_what_the_plain_pipeline_does(tmp_path: Path) -> None:
    plain = tiny_pipeline(tmp_path / "base")
    pictures = [
        pipe("a red star", num_inference_steps=3, guidance_scale=5.0, output_type="np", generator=torch.Generator().manual_seed(1)).images
        for pipe in (plain, load_base(tmp_path / "base"))
    ]
    assert pictures[0].shape == (1, 64, 64, 3) and (pictures[0] == pictures[1]).all()


@pytest.mark.parametrize(("broken", "code"), [("missing", "base.not-found"), ("damaged", "base.unreadable")])
def test_a_folder_that_is_no_pipeline_is_refused(tmp_path: Path, broken: str, code: str) -> None:
    folder = tmp_path / "base"
    if broken == "damaged":
        folder.mkdir()
        (folder / "model_index.json").write_text("{")
    with raises(code):
        load_base(folder)
