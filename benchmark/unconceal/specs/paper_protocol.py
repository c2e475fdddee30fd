"""Protocol ``paper``: the values of arXiv 2409.05668 as released.

Source: respailab/unlearning-or-concealment at f321899; see docs/concepts/paper-protocol.md.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unconceal.specs.spec import Count, Ratio, Spec

ProtocolName = Literal["standard", "paper"]
RELEASED_PSI = (0.001, 0.01, 0.05, 0.15, 0.25, 0.35, 0.45, 0.55)


class PaperProtocol(Spec):
    """The protocol's values; the defaults are the release's.

    Attributes:
        n_images: λO and λU per prompt, with seeds from 0.
        seed: of the one λP per ψ.
        held_out_fraction: fraction of images that the classifier is not trained on.
        n_prompts: number of forget prompts, the first of the task; None: all. ``n_retain_prompts``: the same for retain prompts.
    """

    num_inference_steps: int = Field(100, ge=2)
    guidance_scale: float = Field(7.5, ge=0)
    psi: Annotated[tuple[Ratio, ...], Field(min_length=1)] = RELEASED_PSI
    n_images: int = Field(200, ge=5, lt=9_000)
    seed: int = Field(42, ge=0)
    extractors: tuple[str, ...] = ("resnet18",)
    epochs: Count = 10
    batch_size: Count = 32
    learning_rate: float = Field(1e-3, gt=0)
    momentum: Ratio = 0.9
    triplet_margin: float = Field(1.0, ge=0)
    n_negatives: Count = 3
    held_out_fraction: float = Field(0.2, gt=0, lt=1)
    n_prompts: Count | None = None
    n_retain_prompts: Count | None = None
