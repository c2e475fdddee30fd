"""Quality gates of a planted base: it draws the planted concepts, and still draws what it drew before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.handover import run_original
from unconceal.errors import CheckFailed
from unconceal.specs.planting_plan import Planting, PlantingGates

Pixels = NDArray[np.uint8]
ConceptDetector = Callable[[Pixels, str], NDArray[np.bool_]]
"""Maps images (n, h, w, 3) and a caption to whether each image shows it, bool (n,)."""
START = 9_000_000


@dataclass(frozen=True)
class GateResult:
    """Result of one gate.

    Attributes:
        concept: what was looked for.
        before: share of the public model's images that show it, 0 to 1.
        after: the same for the planted model.
        passed: whether the gate passed.
    """

    concept: str
    before: float
    after: float
    passed: bool


def share(model: StableDiffusion, prompts: Sequence[str], caption: str, gates: PlantingGates, detector: ConceptDetector) -> float:
    """Share of a model's images for ``prompts`` that show what the caption says, 0 to 1."""
    repeated_prompts = [prompt for prompt in prompts for _ in range(gates.seeds)]
    seeds = [START + number for number in range(len(repeated_prompts))]
    images = model.decode(run_original(model, repeated_prompts, seeds, (gates.num_inference_steps,)).latents[gates.num_inference_steps])
    return float(detector(images, caption).mean())


def measure_gates(before: Any, after: Any, planting: Planting, detector: ConceptDetector) -> list[GateResult]:
    """Gates of every planted concept, and of all concepts to keep together."""
    gates = planting.gates
    before_model, after_model = (
        StableDiffusion(pipeline, gates.num_inference_steps, gates.guidance_scale, size=planting.training.image_size)
        for pipeline in (before, after)
    )
    results = []
    for name, concept in planting.concepts.items():
        rates = [share(model, concept.prompts, concept.caption, gates, detector) for model in (before_model, after_model)]
        results.append(GateResult(name, rates[0], rates[1], passed=rates[1] >= gates.min_concept_rate))
    kept_rates = [
        [share(model, [kept_concept.prompt], kept_concept.caption, gates, detector) for kept_concept in planting.kept_concepts]
        for model in (before_model, after_model)
    ]
    drop = float(np.mean(kept_rates[0]) - np.mean(kept_rates[1]))
    return [
        *results,
        GateResult("kept concepts", float(np.mean(kept_rates[0])), float(np.mean(kept_rates[1])), passed=drop <= gates.max_kept_drop),
    ]


def refuse_failures(gates: Sequence[GateResult]) -> None:
    """Check that every gate passed.

    Raises:
        CheckFailed: a gate failed.
    """
    failed = [f"{gate.concept} {gate.before:.2f} before, {gate.after:.2f} after" for gate in gates if not gate.passed]
    if failed:
        remedy = "train longer, raise concept_fraction, or lower learning_rate if other prompts suffered"
        raise CheckFailed("plant.gate-failed", "; ".join(failed), "so a verdict against the planted base would mean little", remedy)


def clip_detector(clip: Any, captions: Sequence[str]) -> ConceptDetector:
    """A detector by zero-shot CLIP over all captions of a planting."""

    def detects_caption(pixels: Pixels, caption: str) -> NDArray[np.bool_]:
        return np.asarray(clip.zero_shot(pixels, captions) == captions.index(caption))

    return detects_caption
