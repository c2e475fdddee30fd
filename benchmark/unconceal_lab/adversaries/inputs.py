"""What an author of concealing weights has besides θ. All of it is public."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from diffusers import StableDiffusionPipeline
from torch import Tensor

from unconceal.generate.identity import ImageKey
from unconceal.judges.concept_judge import ConceptJudge


class AdversaryInputs(Protocol):
    """Inputs of the adversaries for one concept; each is loaded when it is used."""

    @property
    def decoupled(self) -> Mapping[str, Tensor]:
        """The release of :func:`unconceal_lab.unlearners.decouple.decouple_to_other`, keys prefixed by ``text_encoder.``."""

    @property
    def gold(self) -> StableDiffusionPipeline:
        """A model that never saw the concept."""

    @property
    def judge(self) -> ConceptJudge:
        """The suite's concept judge."""

    @property
    def head(self) -> str:
        """The judge's head that recognizes the concept."""

    @property
    def evaluation_images(self) -> Sequence[ImageKey]:
        """Forget prompts and seeds of the suite's evaluation."""

    @property
    def handover_steps(self) -> Sequence[int]:
        """Denoising steps after which the suite hands over, without the last."""
