"""What a GPU makes of the SD 1.4 architecture with random weights: pictures a second, share of its matrix throughput, peak memory.

``PYTHONPATH=tests python tools/measure_gpu.py [--batches 2,8,16,32,64] [--steps 50] [--dtype bfloat16] [--out
table.md]`` draws with the handover sampler
and the decoder, as an evaluation does, and holds the denoiser's floating point operations (torch's own count of the architecture) against
what the same card reaches on a large matrix product. ``--tiny`` takes a pipeline of a few thousand weights, to see that the script works.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from tabulate import tabulate
from transformers import CLIPTextConfig, CLIPTextModel

from measure_apply import sd14_unet
from pipelines import tiny_pipeline
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.diffusion.flops import denoiser_flops
from unconceal.diffusion.handover import run_original
from unconceal.evaluation.environment import resolve_device

SIDE, REPEATS, GUIDED = 8192, 10, 2
"""Of the matrices whose product is timed; how often; and rows of one picture's step."""


@dataclass(frozen=True)
class Measured:
    """Of one batch: pictures drawn together, seconds of denoising and of decoding, bytes at the peak; ``flops`` of one row."""

    batch: int
    pictures: int
    steps: int
    denoising: float
    decoding: float
    peak: int
    flops: float

    @property
    def pictures_per_second(self) -> float:
        return self.pictures / (self.denoising + self.decoding)

    @property
    def teraflops(self) -> float:
        """TFLOP/s of the denoiser alone."""
        return self.flops * GUIDED * self.steps * self.pictures / self.denoising / 1e12

    def row(self, matrix: float) -> dict[str, str]:
        """For the table; ``matrix``: TFLOP/s of the matrix product."""
        return {
            "rows at once": str(self.batch),
            "pictures/s": f"{self.pictures_per_second:.3g}",
            "of it decoding": f"{self.decoding / (self.denoising + self.decoding):.0%}",
            "denoiser TFLOP/s": f"{self.teraflops:.3g}",
            "share of the matrix product": f"{self.teraflops / matrix:.0%}",
            "peak memory (GB)": f"{self.peak / 2**30:.1f}",
        }


def sd14(folder: Path) -> StableDiffusionPipeline:
    """SD 1.4's shapes with random weights; the tokenizer is the tests' own."""
    small = tiny_pipeline(folder / "tiny")
    sizes: Any = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    words = CLIPTextModel(CLIPTextConfig(vocab_size=49408, **sizes))
    kinds = ("DownEncoderBlock2D",) * 4, ("UpDecoderBlock2D",) * 4
    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=kinds[0],
        up_block_types=kinds[1],
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
    )
    parts = {**small.components, "unet": sd14_unet(), "text_encoder": words, "vae": vae}
    return StableDiffusionPipeline(**parts, requires_safety_checker=False)


def clocked(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of a piece of work, once everything that was asked of the device is done."""
    wait: Callable[[], object] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def matrix_teraflops(device: torch.device, dtype: torch.dtype, side: int = SIDE) -> float:
    """TFLOP/s of the product of two square matrices, the best of a few."""
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    clocked(lambda: one @ other, device)
    return 2 * side**3 / min(clocked(lambda: one @ other, device) for _ in range(REPEATS)) / 1e12


def measure(pipe: StableDiffusionPipeline, batches: Sequence[int], steps: int) -> list[Measured]:
    """Every batch; those for which the memory does not suffice are left out."""
    model = StableDiffusion(pipe, steps, 7.5)
    side = pipe.unet.config.sample_size
    flops, found = denoiser_flops(pipe.unet.config, side), []
    for batch in batches:
        try:
            found.append(measure_one(model, batch, flops))
        except torch.OutOfMemoryError:
            print(f"{batch} rows at once: memory does not suffice", flush=True)
            break
    return found


def measure_one(model: StableDiffusion, batch: int, flops: float) -> Measured:
    pictures, device = max(1, batch // GUIDED), model.device
    prompts, seeds = ["a picture"] * pictures, list(range(pictures))
    run_original(StableDiffusion(model.pipeline, 2, 7.5), prompts, seeds, (2,), batch)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    made: list[torch.Tensor] = []
    denoising = clocked(lambda: made.append(run_original(model, prompts, seeds, (model.steps,), batch).latents[model.steps]), device)
    decoding = clocked(lambda: model.decode(made[0]), device)
    on_card = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(device) if on_card else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Measured(batch, pictures, model.steps, denoising, decoding, peak, flops)


def table(found: Sequence[Measured], matrix: float, device: torch.device, dtype: str) -> str:
    """As docs/reports/performance.md holds it."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    rows = tabulate([one.row(matrix) for one in found], headers="keys", tablefmt="github", disable_numparse=True)
    return f"{name}, {dtype}, torch {torch.__version__}; a product of matrices reaches {matrix:.4g} TFLOP/s.\n\n{rows}\n"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--batches", default="2,8,16,32,64,128")
    asked.add_argument("--steps", type=int, default=50)
    asked.add_argument("--dtype", default="bfloat16")
    asked.add_argument("--device", default="auto")
    asked.add_argument("--tiny", action="store_true")
    asked.add_argument("--out", type=Path)
    said = asked.parse_args()
    device, dtype = torch.device(resolve_device(said.device)), getattr(torch, said.dtype)
    with tempfile.TemporaryDirectory() as place:
        pipe = (tiny_pipeline(Path(place)) if said.tiny else sd14(Path(place))).to(device, dtype)
    pipe.set_progress_bar_config(disable=True)
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        part.eval().requires_grad_(False)
    matrix = matrix_teraflops(device, dtype, 256 if said.tiny else SIDE)
    told = table(measure(pipe, [int(batch) for batch in said.batches.split(",")], said.steps), matrix, device, said.dtype)
    print(told, flush=True)
    if said.out:
        said.out.write_text(told)


if __name__ == "__main__":
    main()
