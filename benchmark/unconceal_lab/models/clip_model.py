"""The miniature CLIP: a ``CLIPModel`` trained on drawn images and their captions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTokenizer, CLIPVisionConfig

from unconceal.miniature.captions import caption
from unconceal_lab.models.classifiers import augment, image_batch
from unconceal_lab.models.optimizer import MuonAdamW
from unconceal_lab.models.scene_images import SceneImages
from unconceal_lab.models.tokenizer import MAX_TOKENS
from unconceal_lab.models.training_loop import bfloat16_autocast, fit

WIDTH = 128


def new_clip(vocab_size: int, end_token: int) -> CLIPModel:
    """A randomly initialised CLIP for a tokenizer with this vocabulary and end token."""
    text = CLIPTextConfig(
        vocab_size=vocab_size,
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


def group_by_colour_and_background(images: SceneImages) -> list[NDArray[np.int64]]:
    """Rows of the images by colour and background. Within a group, captions differ in subject and style only."""
    keys = np.asarray([f"{scene.colour} {scene.background}" for scene in images.scenes])
    return [np.flatnonzero(keys == key) for key in np.unique(keys)]


def train_clip(
    name: str,
    model: CLIPModel,
    images: SceneImages,
    tokenizer: CLIPTokenizer,
    groups: list[NDArray[np.int64]],
    work_dir: Path,
    steps: int,
    seed: int,
    batch_size: int = 128,
    reconstructions: torch.Tensor | None = None,
    log: Callable[[str], None] = print,
) -> float:
    """Train ``model`` in place with the symmetric contrastive loss over the (image, caption) pairs of a batch.

    Args:
        name: names the saved state and the log lines.
        model: the CLIP.
        images: training images.
        tokenizer: of the captions.
        groups: rows of the images; each batch comes from one group, drawn in proportion to its size.
        work_dir: where the training saves its state and resumes.
        steps: number of optimizer steps.
        seed: seed of batches and augmentation.
        batch_size: pairs per step.
        reconstructions: VAE reconstructions of the first images, uint8 (m, 64, 64, 3).
        log: receives one line per report.

    Returns:
        Processor minutes.
    """
    optimizer = MuonAdamW(model, 5e-3, 1e-3, adam_prefixes=("text_model.embeddings", "vision_model.embeddings"))
    shares = np.asarray([len(rows) for rows in groups]) / sum(map(len, groups))

    def loss(rng: np.random.Generator, noise: torch.Generator, progress: float) -> torch.Tensor:
        group = groups[0] if len(groups) == 1 else groups[int(rng.choice(len(groups), p=shares))]
        rows = np.sort(group[rng.integers(len(group), size=batch_size)])
        x = image_batch(images, rows, reconstructions, rng)
        texts = [caption(images.scenes[row], rng) for row in rows]
        tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        with bfloat16_autocast():
            output = model(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, pixel_values=augment(x, rng, noise))
        logits = output.logits_per_image.float()
        labels = torch.arange(batch_size)
        return (functional.cross_entropy(logits, labels) + functional.cross_entropy(logits.T, labels)) / 2

    return fit(name, model, loss, optimizer, steps, seed, work_dir, average=0.99, log=log)
