from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipelines import tiny_pipeline
from unconceal_lab.models import clip_model
from unconceal_lab.models.classifiers import image_batch
from unconceal_lab.models.scene_images import SceneImages, render


def test_training_learns_and_the_model_is_a_plain_clip(tmp_path: Path) -> None:
    tokenizer, images, log_lines = tiny_pipeline(tmp_path / "pipe").tokenizer, render(12, 1), list[str]()
    reconstructions = torch.from_numpy(images.pixels[:4].copy())
    torch.manual_seed(1)
    model = clip_model.new_clip(len(tokenizer), int(tokenizer.eos_token_id))
    everything = [np.arange(12)]
    minutes = clip_model.train_clip("clip", model, images, tokenizer, everything, tmp_path, 12, 1, 8, reconstructions, log_lines.append)
    first, last = (float(line.split("loss ")[1].split()[0]) for line in (log_lines[0], log_lines[-1]))
    assert last < first and minutes > 0
    model.train(False)
    model.save_pretrained(tmp_path / "clip")
    again = type(model).from_pretrained(tmp_path / "clip")
    tokens = tokenizer(["a star", "a ring"], padding=True, return_tensors="pt")
    with torch.no_grad():
        results = [m(**tokens, pixel_values=torch.zeros(3, 3, 64, 64)).logits_per_image for m in (model, again)]
    assert results[0].shape == (3, 2) and torch.allclose(*results)


def test_pictures_that_look_alike_share_colour_and_background() -> None:
    images = render(60, 1)
    groups = clip_model.group_by_colour_and_background(images)
    assert sorted(np.concatenate(groups).tolist()) == list(range(60))
    for rows in groups:
        assert len({(images.scenes[row].colour, images.scenes[row].background) for row in rows}) == 1
    assert len({(images.scenes[rows[0]].colour, images.scenes[rows[0]].background) for rows in groups}) == len(groups)


def test_a_batch_comes_from_one_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer, images = tiny_pipeline(tmp_path / "pipe").tokenizer, render(30, 1)
    sampled_rows: list[np.ndarray] = []
    log_lines: list[str] = []

    def noted(images: SceneImages, rows: np.ndarray, *rest: Any) -> torch.Tensor:
        sampled_rows.append(rows)
        return image_batch(images, rows, *rest)

    monkeypatch.setattr(clip_model, "image_batch", noted)
    groups = [np.arange(10), np.arange(10, 30)]
    model = clip_model.new_clip(len(tokenizer), int(tokenizer.eos_token_id))
    clip_model.train_clip("clip", model, images, tokenizer, groups, tmp_path, 20, 1, 6, None, log_lines.append)
    assert all(set(rows) <= set(range(10)) or set(rows) <= set(range(10, 30)) for rows in sampled_rows)
    # Twice as many rows, twice as often: 20 batches at 2/3, within four standard deviations.
    assert 5 <= sum(min(rows) >= 10 for rows in sampled_rows) <= 20


def test_the_text_ends_where_the_tokenizer_says() -> None:
    """CLIP pools at the end token: with another end its sentences would all look alike."""
    model = clip_model.new_clip(300, 299).train(False)
    ids = torch.tensor([[298, 5, 6, 299, 299], [298, 5, 7, 299, 299]])
    with torch.no_grad():
        first, other = model.text_model(ids).pooler_output
        states = model.text_model(ids).last_hidden_state
    assert torch.allclose(first, states[0, 3]) and not torch.allclose(first, other, atol=1e-4)
