"""One picture of a checkpoint beside the base's, to be looked at before hours are spent: the task's first prompt, one seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from diffusers import DiffusionPipeline
from PIL import Image, ImageFilter

from unconceal.checkpoints.apply import AppliedCheckpoint
from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.handover import run_original
from unconceal.evaluation.image_strip import BLUR, UNSAFE
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

MIN_SPREAD = 2.0
"""Grey levels of standard deviation below which a picture shows nothing."""


def write_preview(
    suite: Suite, task: Task, base: DiffusionPipeline, unlearned: DiffusionPipeline, applied: AppliedCheckpoint, path: Path
) -> dict[str, str]:
    """Draw and save θ's picture and θ*'s side by side; says where, and whether θ*'s is blank. Unsafe categories are blurred."""
    sampler, prompt, seed = suite.sampler, task.forget[0].text, suite.seed_starts.evaluation
    family = FAMILIES[suite.family]
    models = [family.load(base, sampler), family.load(unlearned, sampler, applied.membrane)]
    drawn = [
        model.decode(run_original(model, [prompt], [seed], (sampler.num_inference_steps,)).latents[sampler.num_inference_steps])[0]
        for model in models
    ]
    image = Image.fromarray(np.concatenate(drawn, axis=1))
    path.parent.mkdir(parents=True, exist_ok=True)
    (image.filter(ImageFilter.GaussianBlur(BLUR)) if task.category == UNSAFE else image).save(path)
    blank = float(drawn[1].std()) < MIN_SPREAD
    result = {"picture": str(path)}
    return result | ({"result": f"{path}: shows nothing, as if every picture were blanked; check the weights"} if blank else {})
