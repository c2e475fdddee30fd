"""CLIP score through torchmetrics, for any model with CLIP's two towers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.multimodal.clip_score import CLIPScore

BATCH = 64


class TwoTowers(Protocol):
    """What a CLIP must offer: embeddings of uint8 pictures (n, h, w, 3) and of texts, each (n, d)."""

    def image_features(self, pixels: NDArray[np.uint8]) -> torch.Tensor: ...

    def text_features(self, texts: Sequence[str]) -> torch.Tensor: ...


class _Adapter:
    """Model and processor in one, as torchmetrics calls them: the processor hands inputs through, the model embeds them."""

    config = None

    def __init__(self, towers: TwoTowers) -> None:
        self.towers, self.texts = towers, [""]

    def to(self, device: torch.device) -> _Adapter:
        return self

    def __call__(self, text: list[str] | None = None, images: list[torch.Tensor] | None = None, **_: Any) -> dict[str, torch.Tensor]:
        if images is not None:
            return {"pixel_values": torch.stack(images)}
        self.texts = text or []
        rows = torch.arange(len(self.texts))
        return {"input_ids": rows, "attention_mask": torch.ones_like(rows)}

    def get_image_features(self, pixel_values: torch.Tensor) -> torch.Tensor:
        return self.towers.image_features(pixel_values.permute(0, 2, 3, 1).cpu().numpy())

    def get_text_features(self, rows: torch.Tensor, _mask: torch.Tensor) -> torch.Tensor:
        return self.towers.text_features([self.texts[i] for i in rows.tolist()])


@torch.inference_mode()
def clip_score(towers: TwoTowers, pixels: NDArray[np.uint8], prompts: Sequence[str]) -> float:
    """100 · mean cosine of each picture (n, h, w, 3) and its prompt (n), not below 0. Higher: pictures fit their prompts better."""
    if len(pixels) != len(prompts) or not len(prompts):
        raise ValueError(f"{len(pixels)} pictures for {len(prompts)} prompts: expected one prompt per picture, and at least one")
    adapter = _Adapter(towers)
    metric = CLIPScore(lambda: (adapter, adapter))  # type: ignore[arg-type, return-value]
    for i in range(0, len(pixels), BATCH):
        images = torch.from_numpy(np.array(pixels[i : i + BATCH])).permute(0, 3, 1, 2)
        metric.update(images, list(prompts[i : i + BATCH]))
    return float(metric.compute())


def clip_score_per_prompt(towers: TwoTowers, pixels: Iterable[NDArray[np.uint8]], prompts: Sequence[str]) -> NDArray[np.float64]:
    """:func:`clip_score` of each prompt (p,) for pictures (s, h, w, 3) of each."""
    return np.asarray([clip_score(towers, block, [prompt] * len(block)) for block, prompt in zip(pixels, prompts, strict=True)])
