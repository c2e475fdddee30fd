"""A preview of a checkpoint before hours are spent: one image of θ and one of θ*, for the task's first prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from diffusers import DiffusionPipeline
from PIL import Image, ImageFilter

from unconceal.checkpoints.apply import AppliedCheckpoint
from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.handover import run_original
from unconceal.evaluation.image_sanity import degenerate
from unconceal.evaluation.image_strip import BLUR
from unconceal.specs.inference_rule import InferenceRule
from unconceal.specs.suite import Suite
from unconceal.specs.task import UNSAFE_CATEGORIES, Task


def write_preview(
    suite: Suite,
    task: Task,
    base: DiffusionPipeline,
    unlearned: DiffusionPipeline,
    applied: AppliedCheckpoint,
    path: Path,
    rule: InferenceRule | None = None,
) -> dict[str, str]:
    """Save θ's and θ*'s image side by side, blurred for unsafe categories.

    Returns:
        ``picture``: the path; ``result``: a warning, only if θ*'s image is none.
    """
    prompt, seed, steps = task.forget[0].text, suite.seed_starts.evaluation, suite.sampler.num_inference_steps
    family = FAMILIES[suite.family]
    models = [family.load(base, suite.sampler), family.load(unlearned, suite.sampler, applied.spm, rule=rule)]
    images = [model.decode(run_original(model, [prompt], [seed], (steps,)).latents[steps])[0] for model in models]
    image = Image.fromarray(np.concatenate(images, axis=1))
    path.parent.mkdir(parents=True, exist_ok=True)
    (image.filter(ImageFilter.GaussianBlur(BLUR)) if task.category in UNSAFE_CATEGORIES else image).save(path)
    row = {"image": str(path)}
    if degenerate(images[1][None]).all():
        row["result"] = f"{path}: the image is one flat colour or saturated; check the weights for NaN and scale"
    return row
