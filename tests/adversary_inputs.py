"""Public inputs of the adversaries in small: random models, two evaluation images, and a random judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from pipelines import tiny_pipeline
from unconceal.generate.identity import ImageKey
from unconceal.judges.concept_judge import ConceptJudge, JudgeHead
from unconceal.judges.extractors import NATIVE, Extractor
from unconceal_lab.adversaries.text_encoder import EncoderConfig
from unconceal_lab.unlearners.released_weights import to_release

LABELS = {"subject": ["circle", "star", "zara"], "style": ["none", "striped"]}
QUICK_ENCODER = EncoderConfig(steps=2, n_pairs=12, n_others=12, batch_size=4, others_batch_size=4)


@dataclass(frozen=True)
class TinyInputs:
    """As :class:`unconceal_lab.adversaries.inputs.AdversaryInputs`."""

    decoupled: Mapping[str, Tensor]
    gold: StableDiffusionPipeline
    judge: ConceptJudge
    head: str = "subject"
    evaluation_images: tuple[ImageKey, ...] = (ImageKey("a red star", 5), ImageKey("a blue star shape", 6))
    handover_steps: tuple[int, ...] = (0, 1, 2)


def tiny_inputs(folder: Path, pipeline: StableDiffusionPipeline) -> TinyInputs:
    """Inputs for a pipeline of :func:`tiny_pipeline`."""
    shifted = {name: weight + 0.01 for name, weight in pipeline.text_encoder.state_dict().items()}
    return TinyInputs(to_release("text_encoder", shifted), tiny_pipeline(folder / "gold", seed=1), random_judge())


def random_judge() -> ConceptJudge:
    """A judge of random weights."""
    torch.manual_seed(0)
    extractor = Extractor("resnet18", timm.create_model("resnet18", num_classes=0), NATIVE).eval()
    return ConceptJudge(JudgeHead(extractor.width, LABELS).eval(), (extractor,), {})
