"""One optimiser step of a planting with the true architecture of Stable Diffusion 1.4 and random weights: does it fit, does it move?

``PYTHONPATH=tests python tools/measure_planting_step.py [PIXELS]`` (default 256) takes bfloat16 weights, Adafactor and
activations computed anew in the
backward pass, and prints seconds, memory, and how many tensors moved. The text encoder is SD 1.4's, too; the VAE is the tests' tiny one.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel

from pipelines import tiny_pipeline
from unconceal.planting.captioned_images import CaptionedImage
from unconceal.planting.continue_training import continue_training
from unconceal.specs.planting_plan import PlantingTraining
from unconceal_lab.bench.sd14_shapes import sd14_unet


def sd14(folder: Path) -> StableDiffusionPipeline:
    """UNet and text encoder of SD 1.4's shapes, bfloat16; a tiny VAE that gives four times as many latents a pixel."""
    small = tiny_pipeline(folder / "tiny")
    torch.set_default_dtype(torch.bfloat16)
    sizes: Any = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    words = CLIPTextModel(CLIPTextConfig(vocab_size=49408, **sizes))
    unet = sd14_unet()
    torch.set_default_dtype(torch.float32)
    return StableDiffusionPipeline(**{**small.components, "unet": unet, "text_encoder": words}, requires_safety_checker=False)


def main(pixels: int) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pipe = sd14(folder)
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(folder / "a.png")
        images = [CaptionedImage(folder / "a.png", "a wug", frozenset({"wug"}))]
        # The VAE shrinks by 4 and not by 8, so half the pixels give the latents of the size asked for.
        training = PlantingTraining(
            max_train_steps=1,
            batch_size=1,
            learning_rate=1e-5,
            image_size=pixels // 2,
            optimizer="adafactor",
            gradient_checkpointing=True,
            warmup_fraction=0,
            concept_fraction=1,
        )
        before = {name: part.flatten()[:64].clone() for name, part in pipe.unet.named_parameters()}
        started = time.perf_counter(), time.process_time()
        continue_training(pipe, images, ["wug"], training, folder / "work")
        wall, used = time.perf_counter() - started[0], time.process_time() - started[1]
        moved = sum(not torch.equal(part.flatten()[:64], before[name]) for name, part in pipe.unet.named_parameters())
        parameters = sum(part.numel() for part in (*pipe.unet.parameters(), *pipe.text_encoder.parameters()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{parameters / 1e6:.0f} M parameters, {pixels} pixels: {moved} of {len(before)} UNet tensors moved", flush=True)
    print(f"{wall:.0f} s ({used:.0f} s of processor), peak memory {peak:.1f} GB", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)
