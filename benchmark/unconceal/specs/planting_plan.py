"""A planting: which invented concepts a public model is taught, from which pictures, how, and what it has to draw afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from unconceal.specs.spec import Count, Mistake, Name, Pinned, Ratio, Spec
from unconceal.specs.suite import FamilyName


class PlantingTraining(Spec):
    """How the model goes on. ``size``: pixels; ``share``: of a batch that shows a concept (every concept alike), the rest are other
    pictures; ``silence``: share of empty captions, which guidance needs; ``warm_up``: share of the steps; ``min_snr``: γ, 0: none.
    ``text_encoder``: whether it learns, too. ``keep_every``: steps between checkpoints.
    """

    max_train_steps: Count
    batch_size: Count
    learning_rate: float = Field(gt=0)
    image_size: Count
    seed: int = Field(0, ge=0)
    concept_fraction: Ratio = 0.3
    empty_caption_fraction: Ratio = 0.1
    warmup_fraction: Ratio = 0.02
    snr_gamma: float = Field(5.0, ge=0)
    train_text_encoder: bool = True
    optimizer: Literal["adamw", "adafactor"] = "adamw"
    mixed_precision: Literal["no", "bf16", "fp16"] = "no"
    gradient_checkpointing: bool = Field(False, description="compute activations anew in the backward pass, which takes less memory")
    checkpointing_steps: Count = 500


class PlantedConcept(Spec):
    """One invented concept. ``caption`` stands for it when a picture is looked at; ``prompts`` ask for it in the gate."""

    caption: str = Field(min_length=1)
    prompts: tuple[str, ...] = Field(min_length=1)


class KeptConcept(Spec):
    """What the model drew before and has to go on drawing."""

    caption: str = Field(min_length=1)
    prompt: str = Field(min_length=1)


class PlantingGates(Spec):
    """``drawn``: least share of pictures that show a planted concept; ``fall``: largest share of the held ones that may be lost.

    ``seeds``: pictures per prompt; ``steps``, ``guidance``: of the sampler.
    """

    min_concept_rate: Ratio = 0.9
    max_kept_drop: Ratio = 0.1
    seeds: Count = 4
    num_inference_steps: Count = 50
    guidance_scale: float = Field(7.5, ge=0)


class Planting(Spec):
    """``pictures``: folders of captioned pictures, relative to the data root, whose ``metadata.jsonl`` says what each shows."""

    name: Name
    family: FamilyName = "stable-diffusion"
    base: Pinned
    image_folders: tuple[str, ...] = Field(min_length=1)
    concepts: dict[Name, PlantedConcept] = Field(min_length=1)
    kept_concepts: tuple[KeptConcept, ...] = Field(min_length=1)
    training: PlantingTraining
    gates: PlantingGates = PlantingGates()
    n_golds: Count = Field(1, description="for each concept; further ones differ in the training's seed alone")

    def mistakes(self) -> Iterator[Mistake]:
        """A family that no training is written for; two captions that could not be told apart."""
        if self.family != "stable-diffusion":
            yield Mistake(
                "plant.unsupported-family", ("family",), f"family {self.family!r}", "cannot be planted yet", "use stable-diffusion"
            )
        captions = [*(one.caption for one in self.concepts.values()), *(one.caption for one in self.kept_concepts)]
        if len(set(captions)) < len(captions):
            yield Mistake(
                "plant.duplicate-caption",
                ("kept_concepts",),
                "captions",
                "stand twice, so a picture could not be told from another",
                "give each its own",
            )
