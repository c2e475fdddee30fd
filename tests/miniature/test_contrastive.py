from __future__ import annotations

from pathlib import Path

import torch

from pipelines import tiny_pipeline
from unconceal.miniature import contrastive
from unconceal.miniature.pictures import render


def test_training_learns_and_the_model_is_a_plain_clip(tmp_path: Path) -> None:
    words, pictures, said = tiny_pipeline(tmp_path / "pipe").tokenizer, render(12, 1), list[str]()
    softened = torch.from_numpy(pictures.pixels[:4].copy())
    model, minutes = contrastive.train(pictures, words, tmp_path, 12, 1, batch=8, softened=softened, say=said.append)
    first, last = (float(line.split("loss ")[1].split()[0]) for line in (said[0], said[-1]))
    assert last < first and minutes > 0
    model.train(False)
    model.save_pretrained(tmp_path / "clip")
    again = type(model).from_pretrained(tmp_path / "clip")
    tokens = words(["a star", "a ring"], padding=True, return_tensors="pt")
    with torch.no_grad():
        found = [m(**tokens, pixel_values=torch.zeros(3, 3, 64, 64)).logits_per_image for m in (model, again)]
    assert found[0].shape == (3, 2) and torch.allclose(*found)


def test_the_text_ends_where_the_tokenizer_says() -> None:
    """CLIP pools at the end token: with another end its sentences would all look alike."""
    model = contrastive.new(300, 299).train(False)
    ids = torch.tensor([[298, 5, 6, 299, 299], [298, 5, 7, 299, 299]])
    with torch.no_grad():
        one, other = model.text_model(ids).pooler_output
        states = model.text_model(ids).last_hidden_state
    assert torch.allclose(one, states[0, 3]) and not torch.allclose(one, other, atol=1e-4)
