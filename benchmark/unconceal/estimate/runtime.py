"""How long the remaining work takes, and how that is known."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from unconceal.estimate.forecast import Forecast
from unconceal.estimate.image_spec import ImageSpec, image_spec_of
from unconceal.evaluation.evaluation import Evaluation, judging_work
from unconceal.generate.throughput import Work, read_throughput

CARD_TFLOPS = {"float32": 40.0, "bfloat16": 300.0, "float16": 300.0}
"""Assumed, not measured: TFLOP/s of an H100-class GPU by precision, about a third of the stated dense peak."""
THREAD_TFLOPS = 0.02
"""Assumed, not measured: TFLOP/s of one processor thread in float32."""
NO_JUDGING_TIME = "judging is not counted: none was measured on this machine"


@dataclass(frozen=True)
class Speed:
    """Forward passes per second of one worker, and the source of the number."""

    forward_passes_per_second: float
    source: str


def estimate_speed(evaluation: Evaluation, image_spec: ImageSpec) -> Speed | None:
    """Measured if this machine has used this model and compute configuration before, else assumed; None if nothing is known."""
    compute = evaluation.compute_config
    throughput = read_throughput(evaluation.store.root, Work.on_this_machine("rows", evaluation.suite.base.digest, compute))
    settings = f"{compute.device}, {compute.dtype}, threads {compute.threads}, batch size {compute.batch_size}"
    if throughput is not None:
        return Speed(throughput.per_second, f"measured on this machine ({settings}; the last {throughput.seconds:.0f} s of such work)")
    if image_spec.teraflop is None:
        return None
    tflops = THREAD_TFLOPS * compute.threads if compute.device == "cpu" else CARD_TFLOPS[compute.dtype]
    cost = f"{image_spec.teraflop * 1000:.3g} GFLOP per forward pass at {tflops:g} TFLOP/s"
    return Speed(tflops / image_spec.teraflop, f"assumed from {cost}; nothing was measured with this model here ({settings})")


def runtime_estimate(evaluation: Evaluation, forecast: Forecast, workers: int = 1) -> list[str]:
    """Lines for the terminal: the total, the disk space, the time with its source, and missing weights."""
    total, image_spec = forecast.total, image_spec_of(evaluation.suite, evaluation.root)
    counts = f"{total.forward_passes} forward passes and {forecast.evaluations} records left"
    lines = [f"total: {total.shards} shards, {total.stored} stored; {counts}"]
    free = free_bytes(evaluation.store.root)
    warning = "" if free >= total.bytes else ": NOT ENOUGH; free some space, or name another disk with --store"
    lines.append(f"disk: {total.bytes / 1e9:.2f} GB of images to store, {free / 1e9:.1f} GB free at {evaluation.store.root}{warning}")
    if forecast.without_weights:
        names = ", ".join(forecast.without_weights[:5]) + (" …" if len(forecast.without_weights) > 5 else "")
        lines.append(f"weights: {len(forecast.without_weights)} evaluations lack weights on this machine, so `run` stops at them: {names}")
    return [*lines, _time_line(evaluation, forecast, estimate_speed(evaluation, image_spec), workers)]


def _time_line(evaluation: Evaluation, forecast: Forecast, speed: Speed | None, workers: int) -> str:
    if speed is None:
        return "time: nothing was measured with this model on this machine, and the size of its denoiser is unknown"
    judging = read_throughput(evaluation.store.root, judging_work(evaluation))
    seconds = forecast.total.forward_passes / speed.forward_passes_per_second
    seconds += forecast.evaluations / judging.per_second if judging else 0
    parallel = f", {workers} workers in parallel, each assumed as fast as one alone" if workers > 1 else ""
    judging_time = f"judging {1 / judging.per_second:.0f} s per evaluation, measured" if judging else NO_JUDGING_TIME
    rate = f"{speed.forward_passes_per_second:.3g} forward passes per second, {speed.source}"
    return f"time: about {format_duration(seconds / workers)}{parallel}, at {rate}; {judging_time}"


def free_bytes(folder: Path) -> int:
    """Free space on the disk of a folder that may not exist yet."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def format_duration(seconds: float) -> str:
    """``43 s``, ``12 min``, ``5.3 h``, ``12 days``."""
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 72 * 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}" if unit != "h" else f"{seconds / size:.1f} h"
    return f"{seconds / 86400:.0f} days"
