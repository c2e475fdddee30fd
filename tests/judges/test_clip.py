"""A CLIP of random weights, saved and loaded, against cosines taken directly from transformers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from codes import raises
from unconceal.judges import clip
from unconceal.judges.extractors import Preprocessing
from unconceal_lab.models import tokenizer

PROMPTS = ["a red star", "a blue ring", "a very long text of a star " * 30]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip")
    tokens = tokenizer.train_tokenizer(["a red star", "a blue ring"], path)
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {
        **tower,
        "vocab_size": len(tokens),
        "max_position_embeddings": 24,
        "eos_token_id": tokens.eos_token_id,
        "pad_token_id": tokens.pad_token_id,
    }
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(text_config=text, vision_config={**tower, "image_size": 32, "patch_size": 8}, projection_dim=8)).save_pretrained(
        path
    )
    return path


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)


def direct_cosines(loaded: clip.Clip, pixels: np.ndarray) -> np.ndarray:
    """One picture and one text at a time, through the whole model: logits divided by the scale."""
    cosines = np.zeros((len(pixels), len(PROMPTS)))
    for i, picture in enumerate(pixels):
        for j, prompt in enumerate(PROMPTS):
            ids = loaded.tokenizer(prompt, truncation=True, max_length=24, return_tensors="pt").input_ids
            x = torch.from_numpy(picture / np.float32(127.5) - 1).permute(2, 0, 1)[None]
            with torch.no_grad():
                out = loaded.model(input_ids=ids, pixel_values=x)
            cosines[i, j] = out.logits_per_image.item() / loaded.model.logit_scale.exp().item()
    return cosines


def test_similarity_and_zero_shot(folder: Path, pixels: np.ndarray) -> None:
    loaded = clip.load(folder)
    expected = direct_cosines(loaded, pixels)
    np.testing.assert_allclose(loaded.similarity(pixels, PROMPTS), expected, atol=1e-5)
    np.testing.assert_array_equal(loaded.zero_shot(pixels, PROMPTS), expected.argmax(axis=1))


def test_clip_score_is_the_mean_direct_cosine(folder: Path, pixels: np.ndarray) -> None:
    loaded = clip.load(folder)
    cosines = direct_cosines(loaded, pixels)
    assert loaded.clip_score(pixels, PROMPTS) == pytest.approx(max(0, 100 * np.trace(cosines) / 3), abs=1e-3)
    per_prompt = loaded.clip_score_per_prompt(np.stack([pixels] * 3), PROMPTS)
    np.testing.assert_allclose(per_prompt, np.maximum(0, 100 * cosines.mean(axis=0)), atol=1e-3)


def test_a_preprocessor_file_sets_mean_and_deviation(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}))
    assert clip.load(tmp_path).preprocessing == Preprocessing(32, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert clip.load(folder).preprocessing == Preprocessing(32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_a_folder_without_clip_is_refused(tmp_path: Path) -> None:
    with raises("clip.unreadable"):
        clip.load(tmp_path)
