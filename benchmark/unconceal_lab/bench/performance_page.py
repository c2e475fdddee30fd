"""docs/reports/performance.md: tables between its markers are generated from measurements, the text around them is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from unconceal.errors import CheckFailed
from unconceal.files import write_atomically
from unconceal_lab.bench.bench_results import BenchResults
from unconceal_lab.bench.gpu import GpuMeasurement
from unconceal_lab.bench.memory_scaling import MemoryMeasurement
from unconceal_lab.bench.precision import PrecisionComparison
from unconceal_lab.bench.simulated_cluster import ClusterRow
from unconceal_lab.bench.speed import Cost, SpeedComparison
from unconceal_lab.bench.worker_scaling import WorkerScaling

MARKER = re.compile(r"<!-- measured: (?P<part>[a-z-]+) -->\n.*?<!-- end -->", re.DOTALL)
UNMEASURED = "*Not measured yet.*"


def write_page(path: Path, results: BenchResults) -> None:
    """Fill in every table of the page.

    Raises:
        CheckFailed: the page does not exist or has no marker.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CheckFailed(
            "bench.missing-page", str(path), "does not exist, so there is nothing to fill in", "name docs/reports/performance.md with --out"
        ) from error
    if not MARKER.search(text):
        raise CheckFailed("bench.missing-marker", str(path), "has no marker for a table", "restore its markers")
    write_atomically(path, MARKER.sub(lambda match: section(match["part"], results), text).encode())


def section(part: str, results: BenchResults) -> str:
    """The table of a part between its markers."""
    return f"<!-- measured: {part} -->\n{TABLES[part](results) or UNMEASURED}\n<!-- end -->"


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], note: str = "") -> str:
    text = tabulate([list(map(str, row)) for row in rows], headers, tablefmt="pipe", disable_numparse=True)
    return text + (f"\n\n{note}" if note else "")


SPEED_HEADERS = (
    "",
    "generate, s",
    "judge, s",
    "end to end, s",
    "forward passes",
    "lower bound (excess)",
    "generation",
    "end to end",
    "peak MB",
)


def speed_table(results: BenchResults) -> str:
    if results.speed is None:
        return ""
    speed, released = results.speed, results.speed.released
    excess = [
        f"{bound} ({cost.forward_passes / bound - 1:+.1%})"
        for bound, cost in zip(speed.min_forward_passes, (speed.first, speed.further), strict=True)
    ]
    rows = [
        speed_row("unconceal, first submission", speed.first, released, excess[0]),
        speed_row("unconceal, each further one", speed.further, released, excess[1]),
        *(
            speed_row(f"unconceal {variant}, {order}", cost, released)
            for variant, costs in speed.variants.items()
            for order, cost in costs.items()
        ),
        speed_row("released evaluation, each", released, released),
    ]
    difference = f"images of both evaluations differ by {speed.image_difference:.2f} grey levels on average"
    return table(SPEED_HEADERS, rows, f"{speed.sample}. {results.machines['speed']}. {released.images} images; {difference}.")


def speed_row(name: str, cost: Cost, released: Cost, bound: str = "") -> list[str]:
    speed_up = f"{released.generate / cost.generate:.1f} ×", f"{released.total / cost.total:.1f} ×"
    memory = f"{cost.peak_mb:.0f}" if not cost.gpu_mb else f"{cost.peak_mb:.0f} + {cost.gpu_mb:.0f} on the GPU"
    seconds = [f"{value:.0f}" for value in (cost.generate, cost.judge, cost.total)]
    return [name, *seconds, f"{cost.forward_passes}", bound, *speed_up, memory]


def memory_table(results: BenchResults) -> str:
    def row(measurement: MemoryMeasurement) -> list[str]:
        return [f"{measurement.scaled} × {measurement.factor}", str(measurement.images), f"{measurement.peak_mb:.0f}"]

    if not results.memory_scaling:
        return ""
    return table(["", "images stored", "peak MB"], list(map(row, results.memory_scaling)), f"{results.machines['memory-scaling']}.")


def worker_table(results: BenchResults) -> str:
    return "" if results.worker_scaling is None else _worker_table(results.worker_scaling, results.machines["worker-scaling"])


def _worker_table(scaling: WorkerScaling, machine: str) -> str:
    single = scaling.seconds[min(scaling.seconds)]
    throughput = scaling.denoiser_throughput
    rows = [
        [count, f"{seconds:.0f}", f"{single / seconds:.2f} ×", f"{throughput[count] / throughput[min(throughput)]:.2f} ×"]
        for count, seconds in sorted(scaling.seconds.items())
    ]
    note = f"{scaling.evaluations} evaluations: {scaling.sample}. {machine}. Running the finished command again: {scaling.resumed:.1f} s."
    return table(["workers", "s", "speed-up", "speed-up of the denoiser alone"], rows, note)


def cluster_table(results: BenchResults) -> str:
    if results.cluster is None:
        return ""
    headers = ["workers", "s per shard", "shards", "s", "efficiency", "shards/s", "MB/s", "scheduler, processor s", "store, ms per shard"]
    rows = [cluster_row(row, results.cluster.shard_megabytes) for row in results.cluster.rows]
    return table(headers, rows, f"Shards of {results.cluster.shard_megabytes:.1f} MB. {results.machines['cluster']}.")


def cluster_row(row: ClusterRow, megabytes: float) -> list[object]:
    rate = row.shards / row.seconds
    speed = [f"{row.seconds:.1f}", f"{row.efficiency:.2f}", f"{rate:.1f}", f"{rate * megabytes:.1f}"]
    return [row.workers, f"{row.shard_seconds:g}", row.shards, *speed, f"{row.scheduling:.2f}", f"{row.storing * 1000:.0f}"]


def planning_table(results: BenchResults) -> str:
    if results.planning is None:
        return ""
    planning = results.planning
    row = [planning.submissions, planning.tasks, planning.shards, f"{planning.forward_passes:.3g}", f"{planning.seconds:.1f}"]
    return table(["submissions", "tasks", "shards", "forward passes", "s"], [row])


def precision_table(results: BenchResults) -> str:
    return "" if results.precision is None else _precision_table(results.precision, results.machines["precision"])


def _precision_table(precision: PrecisionComparison, machine: str) -> str:
    def row(name: str) -> list[str]:
        changes = [change for change in precision.changes if change.name == name]
        differences = [change.after - change.before for change in changes]
        inside = [change.in_interval for change in changes if change.in_interval is not None]
        largest, mean = max(map(abs, differences)), sum(differences) / len(differences)
        return [name, f"{largest:.4f}", f"{mean:+.4f}", f"{sum(inside)} of {len(inside)}" if inside else ""]

    names = list(dict.fromkeys(change.name for change in precision.changes))
    verdicts = "; ".join(f"{name}: {before} → {after}" for name, (before, after) in precision.verdicts.items())
    note = f"{precision.sample}; against {precision.dtype}. {machine}. Verdicts: {verdicts}."
    return table(["score", "largest difference", "mean difference", "in float32's interval"], list(map(row, names)), note)


def gpu_table(results: BenchResults) -> str:
    return "" if results.gpu is None else _gpu_table(results.gpu, results.machines["gpu"])


def _gpu_table(gpu: GpuMeasurement, machine: str) -> str:
    rows = [
        [
            rate.batch,
            ", ".join(rate.options),
            *(f"{value:.3g}" for value in (rate.rows_per_second, rate.teraflops, rate.peak_gb)),
            f"{rate.share:.0%}",
        ]
        for rate in gpu.rates
    ]
    exchange = gpu.offloading
    inside = [change.in_interval for change in gpu.changes if change.in_interval is not None]
    halved = f"halved from {gpu.halved[0]} to {gpu.halved[1]}" if gpu.halved else "not halved"
    notes = [
        f"{machine}, {gpu.dtype}, torch {gpu.torch}; a product of matrices reaches {gpu.matrix_teraflops:.3g} TFLOP/s.",
        f"Decoding: {gpu.decoded_per_second:.3g} images/s.",
        f"Offloading: {exchange.exchange_seconds:.2f} s an exchange, {exchange.one_gb:.1f} GB instead of {exchange.both_gb:.1f}.",
        f"With too little memory the batch was {halved}.",
        f"Miniature in float32 against the CPU's records: {sum(inside)} of {len(inside)} scores in the interval;",
        f"verdicts {'; '.join(f'{name}: {before} → {after}' for name, (before, after) in gpu.verdicts.items())}.",
        f"All in {gpu.seconds / 60:.1f} minutes.",
    ]
    headers = ["rows at once", "options", "rows/s", "TFLOP/s", "peak GB", "share of the matrix product"]
    return table(headers, rows, " ".join(notes))


def projection_table(results: BenchResults) -> str:
    return "" if results.speed is None else _projection_table(results.speed)


def _projection_table(speed: SpeedComparison) -> str:
    """Computed hours of 64 workers as fast as the measured one."""
    original = speed.first.forward_passes - speed.further.forward_passes
    throughput = speed.further.forward_passes / speed.further.generate
    rows = []
    for submissions, tasks in ((1, 1), (10, 9), (100, 16), (1000, 100)):
        generate = tasks * (original + submissions * speed.further.forward_passes) / throughput
        released = tasks * submissions * speed.released.generate
        judge = tasks * submissions * speed.further.judge
        hours = [f"{seconds / 64 / 3600:.2g}" for seconds in (generate, judge, generate + judge, released + judge)]
        rows.append([submissions, tasks, *hours])
    headers = ["submissions", "tasks", "generate, h", "judge, h", "end to end, h", "released evaluation, h"]
    note = f"Computed, not run: 64 workers, each at the measured {throughput:.3g} forward passes per second ({speed.sample})."
    return table(headers, rows, note)


TABLES: Mapping[str, Callable[[BenchResults], str]] = {
    "speed": speed_table,
    "memory-scaling": memory_table,
    "worker-scaling": worker_table,
    "cluster": cluster_table,
    "planning": planning_table,
    "precision": precision_table,
    "gpu": gpu_table,
    "projection": projection_table,
}
"""By the name in the page's markers."""
