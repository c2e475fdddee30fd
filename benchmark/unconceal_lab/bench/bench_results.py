"""All measurements of the performance page, stored as JSON beside it."""

from __future__ import annotations

import platform
from pathlib import Path

from pydantic import BaseModel

from unconceal.errors import CheckFailed
from unconceal.files import write_atomically
from unconceal_lab.bench.gpu import GpuMeasurement
from unconceal_lab.bench.memory_scaling import MemoryMeasurement
from unconceal_lab.bench.precision import PrecisionComparison
from unconceal_lab.bench.simulated_cluster import SimulatedCluster
from unconceal_lab.bench.speed import SpeedComparison
from unconceal_lab.bench.worker_scaling import PlanningTime, WorkerScaling


class BenchResults(BaseModel):
    """Results by part; None where not measured. ``machines``: the machine of each part."""

    machines: dict[str, str] = {}
    speed: SpeedComparison | None = None
    memory_scaling: list[MemoryMeasurement] | None = None
    worker_scaling: WorkerScaling | None = None
    cluster: SimulatedCluster | None = None
    planning: PlanningTime | None = None
    precision: PrecisionComparison | None = None
    gpu: GpuMeasurement | None = None

    @classmethod
    def read(cls, path: Path) -> BenchResults:
        """Read a results file; empty results if there is none."""
        if not path.exists():
            return cls()
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValueError as error:
            raise CheckFailed(
                "bench.other-version", str(path), "has no measurements of this version", "delete it and measure again"
            ) from error

    def write(self, path: Path) -> None:
        write_atomically(path, (self.model_dump_json(indent=1) + "\n").encode())


def machine_name(device: str) -> str:
    """Processor model, preceded by the GPU's name for a cuda device."""
    processor = next((line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine())
    if device.startswith("cuda"):
        import torch

        return f"{torch.cuda.get_device_name(device)}, {processor}"
    return processor


def _cpuinfo() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
