"""Everything that was measured, as it is kept beside the page that shows it."""

from __future__ import annotations

import platform
from pathlib import Path

from pydantic import BaseModel

from unconceal.errors import CheckFailed
from unconceal.files import write_atomically
from unconceal_lab.bench.memory_scaling import Grown
from unconceal_lab.bench.precision import Precision
from unconceal_lab.bench.speed import Ways
from unconceal_lab.bench.worker_scaling import Planning, Sharing


class Found(BaseModel):
    """A part that was not measured is None. ``machines``: where each part was measured."""

    machines: dict[str, str] = {}
    ways: Ways | None = None
    memory: list[Grown] | None = None
    sharing: Sharing | None = None
    planning: Planning | None = None
    precision: Precision | None = None

    @classmethod
    def read(cls, path: Path) -> Found:
        """What is kept; nothing where there is no file."""
        if not path.exists():
            return cls()
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValueError as error:
            raise CheckFailed(
                "bench.other-version", str(path), "holds no measurements of this version", "delete it and measure again"
            ) from error

    def write(self, path: Path) -> None:
        write_atomically(path, (self.model_dump_json(indent=1) + "\n").encode())


def machine(device: str) -> str:
    """This one, in words."""
    name = next((line.partition(":")[2].strip() for line in _processor() if line.startswith("model name")), platform.machine())
    if device.startswith("cuda"):
        import torch

        return f"{torch.cuda.get_device_name(device)}, {name}"
    return name


def _processor() -> list[str]:
    try:
        return Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
