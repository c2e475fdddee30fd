"""How long what is left will take, and where that number comes from."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from unconceal.estimate.forecast import Forecast
from unconceal.estimate.image_spec import ImageSpec, image_spec_of
from unconceal.evaluation.evaluation import Evaluation, judging_work
from unconceal.generate.throughput import Work, read_throughput

CARD_TFLOPS = {"float32": 40.0, "bfloat16": 300.0, "float16": 300.0}
"""Of an H100-class card by precision, TFLOP/s: about a third of the dense peak that its maker states. Assumed, not measured."""
THREAD_TFLOPS = 0.02
"""Of one processor thread in float32. Assumed, not measured."""
UNJUDGED = "judging is not counted: none was measured on this machine"


@dataclass(frozen=True)
class Speed:
    """Denoiser rows a second by one worker, and where the number comes from."""

    forward_passes_per_second: float
    source: str


def estimate_speed(evaluation: Evaluation, canvas: ImageSpec) -> Speed | None:
    """Measured where this machine has worked with this model and layout before, else assumed; None: nothing is known."""
    found = read_throughput(evaluation.store.root, Work.on_this_machine("rows", evaluation.suite.base.digest, evaluation.compute_config))
    layout = evaluation.compute_config
    said = f"{layout.device}, {layout.dtype}, threads {layout.threads}, batch {layout.batch_size}"
    if found is not None:
        return Speed(found.per_second, f"measured on this machine ({said}; the last {found.seconds:.0f} s of such work)")
    if canvas.teraflop is None:
        return None
    on_processor = layout.device == "cpu"
    speed = THREAD_TFLOPS * layout.threads if on_processor else CARD_TFLOPS[layout.dtype]
    told = f"assumed from {canvas.teraflop * 1000:.3g} GFLOP a row at {speed:g} TFLOP/s; nothing was measured with this model here ({said})"
    return Speed(speed / canvas.teraflop, told)


def runtime_estimate(evaluation: Evaluation, found: Forecast, workers: int = 1) -> list[str]:
    """Lines for people: the sum, the disk, and the time with its source."""
    total, canvas = found.total, image_spec_of(evaluation.suite, evaluation.root)
    lines = [f"in all: {total.shards} cells, {total.stored} stored; {total.forward_passes} denoiser rows and {found.evaluations} records left"]
    free = free_bytes(evaluation.store.root)
    short = "" if free >= total.bytes else ", which DOES NOT SUFFICE: free some, or name another disk with --store"
    lines.append(f"disk: {total.bytes / 1e9:.2f} GB of pictures to come, {free / 1e9:.1f} GB free at {evaluation.store.root}{short}")
    speed = estimate_speed(evaluation, canvas)
    if speed is None:
        return [*lines, "time: nothing was measured with this model on this machine, and the size of its denoiser is not known"]
    judging = read_throughput(evaluation.store.root, judging_work(evaluation))
    seconds = total.forward_passes / speed.forward_passes_per_second + (found.evaluations / judging.per_second if judging else 0)
    at_once = f", {workers} workers at once, as if each were as fast as one alone" if workers > 1 else ""
    beside = f"judging {1 / judging.per_second:.0f} s an evaluation, measured" if judging else UNJUDGED
    lines.append(f"time: about {format_duration(seconds / workers)}{at_once}, at {speed.forward_passes_per_second:.3g} rows a second, {speed.source}; {beside}")
    return lines


def free_bytes(folder: Path) -> int:
    """On the disk of a folder that need not exist yet."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def format_duration(seconds: float) -> str:
    """``43 s``, ``12 min``, ``5.3 h``, ``12 days``."""
    for unit, size, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 72 * 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}" if unit != "h" else f"{seconds / size:.1f} h"
    return f"{seconds / 86400:.0f} days"
