from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipelines import tiny_pipeline
from unconceal_lab.models import clip_model
from unconceal_lab.models.classifiers import seen
from unconceal_lab.models.drawings import Pictures, render


def test_training_learns_and_the_model_is_a_plain_clip(tmp_path: Path) -> None:
    words, pictures, said = tiny_pipeline(tmp_path / "pipe").tokenizer, render(12, 1), list[str]()
    softened = torch.from_numpy(pictures.pixels[:4].copy())
    torch.manual_seed(1)
    model = clip_model.new(len(words), int(words.eos_token_id))
    everything = [np.arange(12)]
    minutes = clip_model.train("clip", model, pictures, words, everything, tmp_path, 12, 1, 8, softened, said.append)
    first, last = (float(line.split("loss ")[1].split()[0]) for line in (said[0], said[-1]))
    assert last < first and minutes > 0
    model.train(False)
    model.save_pretrained(tmp_path / "clip")
    again = type(model).from_pretrained(tmp_path / "clip")
    tokens = words(["a star", "a ring"], padding=True, return_tensors="pt")
    with torch.no_grad():
        found = [m(**tokens, pixel_values=torch.zeros(3, 3, 64, 64)).logits_per_image for m in (model, again)]
    assert found[0].shape == (3, 2) and torch.allclose(*found)


def test_pictures_that_look_alike_share_colour_and_background() -> None:
    pictures = render(60, 1)
    groups = clip_model.alike(pictures)
    assert sorted(np.concatenate(groups).tolist()) == list(range(60))
    for rows in groups:
        assert len({(pictures.scenes[row].colour, pictures.scenes[row].background) for row in rows}) == 1
    assert len({(pictures.scenes[rows[0]].colour, pictures.scenes[rows[0]].background) for rows in groups}) == len(groups)


def test_a_batch_comes_from_one_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words, pictures = tiny_pipeline(tmp_path / "pipe").tokenizer, render(30, 1)
    asked: list[np.ndarray] = []
    said: list[str] = []

    def noted(pictures: Pictures, rows: np.ndarray, *rest: Any) -> torch.Tensor:
        asked.append(rows)
        return seen(pictures, rows, *rest)

    monkeypatch.setattr(clip_model, "seen", noted)
    groups = [np.arange(10), np.arange(10, 30)]
    model = clip_model.new(len(words), int(words.eos_token_id))
    clip_model.train("clip", model, pictures, words, groups, tmp_path, 20, 1, 6, None, said.append)
    assert all(set(rows) <= set(range(10)) or set(rows) <= set(range(10, 30)) for rows in asked)
    # Twice as many rows, twice as often: 20 batches at 2/3, within four standard deviations.
    assert 5 <= sum(min(rows) >= 10 for rows in asked) <= 20


def test_the_text_ends_where_the_tokenizer_says() -> None:
    """CLIP pools at the end token: with another end its sentences would all look alike."""
    model = clip_model.new(300, 299).train(False)
    ids = torch.tensor([[298, 5, 6, 299, 299], [298, 5, 7, 299, 299]])
    with torch.no_grad():
        one, other = model.text_model(ids).pooler_output
        states = model.text_model(ids).last_hidden_state
    assert torch.allclose(one, states[0, 3]) and not torch.allclose(one, other, atol=1e-4)
