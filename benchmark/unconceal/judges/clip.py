"""CLIP as a judge: CLIP scores and zero-shot answers, for the suite's pinned CLIP folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import CLIPModel, CLIPTokenizer

from unconceal.errors import CheckFailed
from unconceal.judges.extractors import ImageArray, Preprocessing, prepare
from unconceal.metrics import clip_score as scoring
from unconceal.progress import hide_library_progress

BATCH_SIZE = 64


@dataclass(frozen=True)
class Clip:
    """A CLIP model. ``max_tokens``: where texts are truncated. Embeddings are not normalised."""

    model: CLIPModel
    tokenizer: CLIPTokenizer
    preprocessing: Preprocessing
    max_tokens: int

    @torch.no_grad()
    def image_features(self, pixels: ImageArray) -> torch.Tensor:
        """Embeddings (n, d) of uint8 images (n, h, w, 3)."""
        blocks = (prepare(pixels[i : i + BATCH_SIZE], self.preprocessing).to(self.model.device) for i in range(0, len(pixels), BATCH_SIZE))
        return torch.cat([_embedding(self.model.get_image_features(pixel_values=block)) for block in blocks])

    @torch.no_grad()
    def text_features(self, texts: Sequence[str]) -> torch.Tensor:
        """Embeddings (n, d) of n texts, truncated at ``max_tokens``."""
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt")
        tokens = tokens.to(self.model.device)
        return _embedding(self.model.get_text_features(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]))

    def similarity(self, pixels: NDArray[np.uint8], texts: Sequence[str]) -> NDArray[np.float32]:
        """Cosine similarity of every image with every text, (n, m), in [−1, 1]."""
        image_embeds, text_embeds = (functional.normalize(rows, dim=1) for rows in (self.image_features(pixels), self.text_features(texts)))
        return np.asarray((image_embeds @ text_embeds.T).cpu().numpy())

    def zero_shot(self, pixels: NDArray[np.uint8], texts: Sequence[str]) -> NDArray[np.int64]:
        """Index of the nearest text of each image, (n,)."""
        return np.asarray(self.similarity(pixels, texts).argmax(axis=1))

    def clip_score(self, pixels: NDArray[np.uint8], prompts: Sequence[str]) -> float:
        """Mean CLIP score of images and their own prompts, 0 to 100."""
        return scoring.clip_score(self, pixels, prompts)

    def clip_score_per_prompt(self, pixels: Iterable[NDArray[np.uint8]], prompts: Sequence[str]) -> NDArray[np.float64]:
        """CLIP score of each prompt (p,) on its images (s, h, w, 3)."""
        return scoring.clip_score_per_prompt(self, pixels, prompts)


def load(folder: Path, device: str = "cpu") -> Clip:
    """Load a CLIP folder as transformers saves it, float32. Images are normalised as its preprocessor_config.json says, else x / 127.5 − 1.

    Raises:
        CheckFailed: the folder holds no CLIP.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
        with hide_library_progress():
            model = CLIPModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
            tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise CheckFailed(
            "clip.unreadable", str(folder), "no CLIP can be read from it", "restore the folder that the suite pins"
        ) from error
    max_tokens = config["text_config"].get("max_position_embeddings", 77)
    return Clip(_eval_on(model, device), tokenizer, _preprocessing(folder, config["vision_config"].get("image_size", 224)), max_tokens)


def _eval_on(model: CLIPModel, device: str) -> CLIPModel:
    torch.nn.Module.to(model, device)
    torch.nn.Module.eval(model)
    return model


def _preprocessing(folder: Path, size: int) -> Preprocessing:
    path = folder / "preprocessor_config.json"
    config: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    mean, std = (config.get(key, [0.5, 0.5, 0.5]) for key in ("image_mean", "image_std"))
    return Preprocessing(size, (mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))


def _embedding(output: Any) -> torch.Tensor:
    """transformers 5 returns an output object where older versions return the embedding itself."""
    embedding: torch.Tensor = output if isinstance(output, torch.Tensor) else output.pooler_output
    return embedding
