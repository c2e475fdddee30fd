"""The base pipeline, loaded for evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

from unconceal.checkpoints.names import parts_of
from unconceal.errors import EnvironmentFault
from unconceal.progress import quiet


def load_base(folder: Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> StableDiffusionPipeline:
    """A diffusers folder as a pipeline for evaluation: frozen, without a safety checker, with a DDIM scheduler of its own noise schedule.

    Raises:
        EnvironmentFault: the folder is missing or is no Stable Diffusion pipeline.
    """
    if not (folder / "model_index.json").is_file():
        remedy = "name the folder that holds model_index.json"
        raise EnvironmentFault(str(folder), "holds no diffusers pipeline, so there is no base model", remedy)
    library: Any = StableDiffusionPipeline
    try:
        with quiet():
            pipe = library.from_pretrained(
                folder,
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
                local_files_only=True,
                low_cpu_mem_usage=False,
            )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EnvironmentFault(str(folder), f"cannot be loaded as the base model ({error})", "fetch it again, or build it again") from error
    # Clipping belongs to pixel models; configs written for other schedulers leave it at DDIM's default, which clips.
    schedulers: Any = DDIMScheduler
    pipe.scheduler = schedulers.from_config(pipe.scheduler.config, clip_sample=False)
    for part in parts_of(pipe).values():
        module = part.to(device)
        # transformers keeps the stored precision while diffusers does not: without this a text encoder stays fp16.
        if module.dtype != dtype:
            module.to(dtype=dtype)
        module.eval().requires_grad_(False)
    pipe.set_progress_bar_config(disable=True)
    loaded: StableDiffusionPipeline = pipe
    return loaded
