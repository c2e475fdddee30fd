"""Planting plans: teach a public model invented concepts, and check that it draws them afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from unconceal.specs.spec import Count, Mistake, Name, Pinned, Ratio, Spec
from unconceal.specs.suite import FamilyName


class PlantingTraining(Spec):
    """Continued training of the base model.

    Attributes:
        image_size: side in pixels.
        concept_fraction: fraction of a batch that shows an invented concept, equal for all concepts.
        empty_caption_fraction: fraction of empty captions, which classifier-free guidance needs.
        warmup_fraction: fraction of the steps.
        snr_gamma: γ of min-SNR weighting; 0: none.
        train_text_encoder: whether the text encoder is trained as well.
        checkpointing_steps: steps between checkpoints.
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
    gradient_checkpointing: bool = Field(False, description="recompute activations in the backward pass to save memory")
    checkpointing_steps: Count = 500


class PlantedConcept(Spec):
    """One invented concept. ``caption``: for zero-shot CLIP; ``prompts``: of the gate."""

    caption: str = Field(min_length=1)
    prompts: tuple[str, ...] = Field(min_length=1)


class KeptConcept(Spec):
    """A concept that the base model draws and has to keep."""

    caption: str = Field(min_length=1)
    prompt: str = Field(min_length=1)


class PlantingGates(Spec):
    """Checks after the training.

    Attributes:
        min_concept_rate: minimum share of images that show a planted concept.
        max_kept_drop: maximum drop of the share of images that show a kept concept.
        seeds: images per prompt.
    """

    min_concept_rate: Ratio = 0.9
    max_kept_drop: Ratio = 0.1
    seeds: Count = 4
    num_inference_steps: Count = 50
    guidance_scale: float = Field(7.5, ge=0)


class Planting(Spec):
    """A planting. ``image_folders``: relative to the data root; their ``metadata.jsonl`` has the captions."""

    name: Name
    family: FamilyName = "stable-diffusion"
    base: Pinned
    image_folders: tuple[str, ...] = Field(min_length=1)
    concepts: dict[Name, PlantedConcept] = Field(min_length=1)
    kept_concepts: tuple[KeptConcept, ...] = Field(min_length=1)
    training: PlantingTraining
    gates: PlantingGates = PlantingGates()
    n_golds: Count = Field(1, description="per concept; they differ in the seed of the training only")

    def mistakes(self) -> Iterator[Mistake]:
        """A family without training code; duplicate captions."""
        if self.family != "stable-diffusion":
            yield Mistake(
                "plant.unsupported-family", ("family",), f"family {self.family!r}", "cannot be planted yet", "use stable-diffusion"
            )
        captions = [*(concept.caption for concept in self.concepts.values()), *(concept.caption for concept in self.kept_concepts)]
        if len(set(captions)) < len(captions):
            yield Mistake(
                "plant.duplicate-caption",
                ("kept_concepts",),
                "captions",
                "stand twice, so two concepts could not be told apart",
                "give each its own",
            )
