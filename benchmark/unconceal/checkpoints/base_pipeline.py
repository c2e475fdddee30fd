"""The base pipeline, loaded for evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DDIMScheduler

from unconceal.checkpoints.key_names import changeable_components
from unconceal.errors import EnvironmentFault
from unconceal.progress import hide_library_progress

FILTERS: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
"""Stable Diffusion's safety checker is left out: filtering images is not unlearning."""


def load_base(
    folder: Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32, kind: str = "StableDiffusionPipeline"
) -> Any:
    """Load a diffusers folder for evaluation: frozen, without a safety checker; with a DDIM scheduler if its noise levels are discrete.

    Args:
        folder: holds ``model_index.json``.
        device: where it runs.
        dtype: precision of every component.
        kind: diffusers' class (:data:`unconceal.diffusion.families.FAMILIES`).

    Raises:
        EnvironmentFault: the folder is missing or is not such a pipeline.
    """
    if not (folder / "model_index.json").is_file():
        remedy = "name the folder that holds model_index.json"
        raise EnvironmentFault("base.not-found", str(folder), "holds no diffusers pipeline, so there is no base model", remedy)
    library: Any = getattr(diffusers, kind)
    try:
        with hide_library_progress():
            pipe = library.from_pretrained(
                folder,
                local_files_only=True,
                low_cpu_mem_usage=False,
                **(FILTERS if kind == "StableDiffusionPipeline" else {}),
            )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EnvironmentFault(
            "base.unreadable", str(folder), f"cannot be loaded as the base model ({error})", "fetch it again, or build it again"
        ) from error
    # Clipping belongs to pixel models; configs written for other schedulers leave it at DDIM's default, which clips.
    if "beta_schedule" in pipe.scheduler.config:
        schedulers: Any = DDIMScheduler
        pipe.scheduler = schedulers.from_config(pipe.scheduler.config, clip_sample=False)
    for part in changeable_components(pipe).values():
        module = part.to(device)
        # transformers keeps the stored precision while diffusers does not: without this a text encoder stays fp16.
        if module.dtype != dtype:
            module.to(dtype=dtype)
        module.eval().requires_grad_(False)
    pipe.set_progress_bar_config(disable=True)
    return pipe
