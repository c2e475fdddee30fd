"""One GPU: rows a second of a denoiser of Stable Diffusion 1.4's size, decoding, offloading, too little memory, and the CPU's records.

Everything together takes about eight minutes on one card; most of it is compilation and the two evaluations of the miniature suite.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel
from torch import nn

from unconceal.diffusion.flops import denoiser_flops
from unconceal.diffusion.offload import Offloader
from unconceal.diffusion.optimize import OPTIONS
from unconceal.errors import UsageError
from unconceal.evaluation.environment import is_out_of_memory
from unconceal.execution.scheduler import schedule
from unconceal.specs.record import Record, read_record
from unconceal_lab.bench.bench_sample import BenchSample
from unconceal_lab.bench.measured_process import run_in_process
from unconceal_lab.bench.precision import ScoreChange, evaluate, score_changes
from unconceal_lab.bench.sd14_shapes import TOKENS, sd14_unet, sd14_vae

BATCHES, DTYPE = (2, 8, 16, 32, 64, 128, 256), torch.bfloat16
OPTION_SETS: tuple[tuple[str, ...], ...] = ((), ("channels-last",), ("channels-last", "compile"))
SIDE, REPEATS, DECODED = 8192, 5, 32
"""Side of the square matrices whose product is timed; how often something is timed; images that are decoded together."""
CONTROLS = ("control-gold-1", "control-collapsed")
"""Submissions whose records of the quick tier on object/star come with the source, measured on a CPU."""
MEMORY_SHARE = 0.6
"""Share of the memory that an evaluation needs with which it is tried again."""


class DenoiserRate(BaseModel):
    """Forward passes of one batch size; ``share``: of the card's own matrix throughput."""

    options: tuple[str, ...]
    batch: int
    rows_per_second: float
    teraflops: float
    share: float
    peak_gb: float


class Offloading(BaseModel):
    """Two denoisers that take turns on the card: seconds of an exchange, and the peak with one and with both on it."""

    exchange_seconds: float
    one_gb: float
    both_gb: float


class GpuMeasurement(BaseModel):
    """What a card reaches.

    Attributes:
        matrix_teraflops: of a large matrix product, in the same precision.
        decoded_per_second: images of 512 pixels.
        halved: batch size before and after an evaluation ran out of memory; None if it did not.
        changes: scores of the miniature's records on the card, against those of the CPU.
        verdicts: of both, by submission.
    """

    dtype: str
    torch: str
    matrix_teraflops: float
    rates: list[DenoiserRate]
    decoded_per_second: float
    offloading: Offloading
    halved: tuple[int, int] | None
    changes: list[ScoreChange]
    verdicts: dict[str, tuple[str, str]]
    seconds: float


def measure_gpu(sample: BenchSample) -> GpuMeasurement:
    """Measure everything.

    Raises:
        UsageError: the sample is not for a CUDA device.
    """
    if not sample.device.startswith("cuda"):
        remedy = "run it where a GPU is, with --device cuda"
        raise UsageError("bench.no-gpu", f"--part gpu on {sample.device}", "measures a GPU, so there is nothing to measure", remedy)
    started, device = time.perf_counter(), torch.device(sample.device)
    matrix = matrix_teraflops(device, DTYPE)
    unet = sd14_unet().to(device, DTYPE).eval().requires_grad_(False)
    rates = list(denoiser_rates(unet, BATCHES, OPTION_SETS, matrix))
    vae = sd14_vae().to(device, DTYPE).eval().requires_grad_(False)
    decoded = decoding_rate(vae, DECODED)
    del unet, vae
    offloading = measure_offloading([sd14_unet().to(DTYPE) for _ in range(2)], device)
    quick = replace(sample, suite="miniature", task="object/star", submissions=CONTROLS, tier="quick", prompts=None, dtype="float32")
    on_card = run_in_process(evaluate, quick)
    changes, verdicts = compared(quick, on_card.value)
    return GpuMeasurement(
        dtype=str(DTYPE).removeprefix("torch."),
        torch=torch.__version__,
        matrix_teraflops=matrix,
        rates=rates,
        decoded_per_second=decoded,
        offloading=offloading,
        halved=run_in_process(halved_batch, quick, MEMORY_SHARE * on_card.gpu_mb).value,
        changes=changes,
        verdicts=verdicts,
        seconds=time.perf_counter() - started,
    )


def best_seconds(work: Callable[[], object], device: torch.device) -> float:
    """The shortest of a few times of a piece of work, after one that does not count."""

    def clocked() -> float:
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - started

    clocked()
    return min(clocked() for _ in range(REPEATS))


def matrix_teraflops(device: torch.device, dtype: torch.dtype, side: int = SIDE) -> float:
    """TFLOP/s of the product of two square matrices."""
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return float(2 * side**3 / best_seconds(lambda: one @ other, device) / 1e12)


@torch.inference_mode()
def denoiser_rates(unet: Any, batches: Sequence[int], option_sets: Sequence[tuple[str, ...]], matrix: float) -> Iterator[DenoiserRate]:
    """Every batch size without options, then every further set of options at the best of them.

    Args:
        unet: a denoiser in the precision to measure, changed by the options.
        batches: ascending; those that do not fit into memory end the list.
        option_sets: names of :data:`~unconceal.diffusion.optimize.OPTIONS`, the first of them empty.
        matrix: TFLOP/s of the matrix product.
    """
    found: list[DenoiserRate] = []
    for batch in batches:
        try:
            found.append(denoiser_rate(unet, batch, (), matrix))
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            break
    yield from found
    best = max(found, key=lambda rate: rate.rows_per_second)
    for options in option_sets[1:]:
        for name in options:
            OPTIONS[name](unet)
        yield denoiser_rate(unet, best.batch, options, matrix)


def denoiser_rate(unet: Any, batch: int, options: tuple[str, ...], matrix: float) -> DenoiserRate:
    """One batch size."""
    weight = next(unet.parameters())
    config = unet.config
    latents = torch.randn(batch, config["in_channels"], config["sample_size"], config["sample_size"]).to(weight)
    prompts, timestep = torch.randn(batch, TOKENS, config["cross_attention_dim"]).to(weight), torch.tensor(500, device=weight.device)
    if weight.is_cuda:
        torch.cuda.reset_peak_memory_stats(weight.device)
    seconds = best_seconds(lambda: unet(latents, timestep, encoder_hidden_states=prompts), weight.device)
    teraflops = batch * denoiser_flops(config, config["sample_size"]) / seconds / 1e12
    peak = peak_gb(weight.device)
    share = teraflops / matrix
    return DenoiserRate(options=options, batch=batch, rows_per_second=batch / seconds, teraflops=teraflops, share=share, peak_gb=peak)


def peak_gb(device: torch.device) -> float:
    """Largest memory of a card since it was last reset; 0 on a processor."""
    return torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0


@torch.inference_mode()
def decoding_rate(vae: Any, images: int) -> float:
    """Images a second of a decoder."""
    weight, config = next(vae.parameters()), vae.config
    side = config["sample_size"] // 2 ** (len(config["block_out_channels"]) - 1)
    latents = torch.randn(images, config["latent_channels"], side, side).to(weight)
    return images / best_seconds(lambda: vae.decode(latents), weight.device)


def measure_offloading(denoisers: Sequence[nn.Module], device: torch.device) -> Offloading:
    """Two denoisers take turns; then both are on the card."""
    first, second = denoisers
    offloader, turns = Offloader(device), iter([[second], [first]] * REPEATS)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    offloader.to_device([first])
    exchange = best_seconds(lambda: offloader.to_device(next(turns)), device)
    one = peak_gb(device)
    for denoiser in denoisers:
        denoiser.to(device)
    return Offloading(exchange_seconds=exchange, one_gb=one, both_gb=peak_gb(device))


def compared(sample: BenchSample, records: Sequence[Record]) -> tuple[list[ScoreChange], dict[str, tuple[str, str]]]:
    """Scores and verdicts of records, against those that come with the source."""
    changes: list[ScoreChange] = []
    verdicts: dict[str, tuple[str, str]] = {}
    for record in records:
        before = read_record(record.path(sample.root.results))
        changes += score_changes(before, record)
        verdicts[record.submission] = (before.verdict.title, record.verdict.title)
    return changes, verdicts


def halved_batch(sample: BenchSample, megabytes: float) -> tuple[int, int] | None:
    """Evaluate with so little memory that the batch has to be halved; the batch size before and after."""
    total = torch.cuda.get_device_properties(sample.device).total_memory
    torch.cuda.set_per_process_memory_fraction(megabytes * 1e6 / total, sample.device)
    with tempfile.TemporaryDirectory() as folder:
        single = replace(sample, submissions=sample.submissions[:1])
        (record,) = schedule(single.evaluation(Path(folder)), single.pairs())
    requested = record.environment.requested_batch_size
    return None if requested is None else (requested, record.environment.batch_size)
