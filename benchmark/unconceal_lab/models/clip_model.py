"""The miniature CLIP: a genuine ``CLIPModel`` trained on drawings and the same captions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig

from unconceal.miniature.captions import caption
from unconceal_lab.models.classifiers import augment, seen
from unconceal_lab.models.drawings import Pictures
from unconceal_lab.models.optimizer import MuonAdamW
from unconceal_lab.models.tokenizer import MAX_TOKENS
from unconceal_lab.models.training_loop import fit, half_precision

WIDTH = 128


def new(vocabulary: int, end_token: int) -> CLIPModel:
    text = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=end_token - 1,
        eos_token_id=end_token,
        pad_token_id=end_token,
    )
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=64,
        patch_size=8,
    )
    return CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=WIDTH))


def alike(pictures: Pictures) -> list[NDArray[np.int64]]:
    """Rows of the pictures that share colour and background: among them only subject and style tell captions apart."""
    keys = np.asarray([f"{scene.colour} {scene.background}" for scene in pictures.scenes])
    return [np.flatnonzero(keys == key) for key in np.unique(keys)]


def train(
    name: str,
    model: CLIPModel,
    pictures: Pictures,
    tokenizer: CLIPTokenizer,
    groups: list[NDArray[np.int64]],
    work: Path,
    steps: int,
    seed: int,
    batch: int = 128,
    softened: torch.Tensor | None = None,
    say: Callable[[str], None] = print,
) -> float:
    """Train ``model`` in place by the symmetric contrastive loss over (picture, caption) pairs of a batch; returns processor minutes.

    Each batch comes from one of ``groups`` (rows of the pictures), chosen by its size. ``softened``: the first pictures after a
    VAE round trip, uint8; half of theirs come from there.
    """
    optimiser = MuonAdamW(model, 5e-3, 1e-3, embeddings=("text_model.embeddings", "vision_model.embeddings"))
    shares = np.asarray([len(rows) for rows in groups]) / sum(map(len, groups))

    def loss(rng: np.random.Generator, noise: torch.Generator, step_share: float) -> torch.Tensor:
        group = groups[0] if len(groups) == 1 else groups[int(rng.choice(len(groups), p=shares))]
        rows = np.sort(group[rng.integers(len(group), size=batch)])
        x = seen(pictures, rows, softened, rng)
        texts = [caption(pictures.scenes[row], rng) for row in rows]
        tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        with half_precision():
            found = model(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, pixel_values=augment(x, rng, noise))
        logits = found.logits_per_image.float()
        answer = torch.arange(batch)
        return (functional.cross_entropy(logits, answer) + functional.cross_entropy(logits.T, answer)) / 2

    return fit(name, model, loss, optimiser, steps, seed, work, average=0.99, say=say)
