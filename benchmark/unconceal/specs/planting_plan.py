"""A planting: which invented concepts a public model is taught, from which pictures, how, and what it has to draw afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from unconceal.specs.spec import Count, Mistake, Name, Pinned, Ratio, Spec
from unconceal.specs.suite import FamilyName


class Training(Spec):
    """How the model goes on. ``size``: pixels; ``share``: of a batch that shows a concept (every concept alike), the rest are other
    pictures; ``silence``: share of empty captions, which guidance needs; ``warm_up``: share of the steps; ``min_snr``: γ, 0: none.
    ``text_encoder``: whether it learns, too. ``keep_every``: steps between checkpoints.
    """

    steps: Count
    batch: Count
    rate: float = Field(gt=0)
    size: Count
    seed: int = Field(0, ge=0)
    share: Ratio = 0.3
    silence: Ratio = 0.1
    warm_up: Ratio = 0.02
    min_snr: float = Field(5.0, ge=0)
    text_encoder: bool = True
    optimiser: Literal["adamw", "adafactor"] = "adamw"
    precision: Literal["no", "bf16", "fp16"] = "no"
    checkpointing: bool = Field(False, description="compute activations anew in the backward pass, which takes less memory")
    keep_every: Count = 500


class Planted(Spec):
    """One invented concept. ``caption`` stands for it when a picture is looked at; ``prompts`` ask for it in the gate."""

    caption: str = Field(min_length=1)
    prompts: tuple[str, ...] = Field(min_length=1)


class KeptConcept(Spec):
    """What the model drew before and has to go on drawing."""

    caption: str = Field(min_length=1)
    prompt: str = Field(min_length=1)


class Gates(Spec):
    """``drawn``: least share of pictures that show a planted concept; ``fall``: largest share of the held ones that may be lost.

    ``seeds``: pictures per prompt; ``steps``, ``guidance``: of the sampler.
    """

    drawn: Ratio = 0.9
    fall: Ratio = 0.1
    seeds: Count = 4
    steps: Count = 50
    guidance: float = Field(7.5, ge=0)


class Planting(Spec):
    """``pictures``: folders of captioned pictures, relative to the data root, whose ``metadata.jsonl`` says what each shows."""

    name: Name
    family: FamilyName = "stable-diffusion"
    base: Pinned
    pictures: tuple[str, ...] = Field(min_length=1)
    concepts: dict[Name, Planted] = Field(min_length=1)
    held: tuple[KeptConcept, ...] = Field(min_length=1)
    training: Training
    gates: Gates = Gates()
    golds: Count = Field(1, description="for each concept; further ones differ in the training's seed alone")

    def mistakes(self) -> Iterator[Mistake]:
        """A family that no training is written for; two captions that could not be told apart."""
        if self.family != "stable-diffusion":
            yield Mistake(("family",), f"family {self.family!r}", "cannot be planted yet", "use stable-diffusion")
        captions = [*(one.caption for one in self.concepts.values()), *(one.caption for one in self.held)]
        if len(set(captions)) < len(captions):
            yield Mistake(("held",), "captions", "stand twice, so a picture could not be told from another", "give each its own")
