"""Settings of a service, passed to its worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServiceConfig:
    """Settings.

    Attributes:
        data: folder of the service: its database and the files of jobs.
        root: folder that holds tasks/, submissions/ and results/; None: found as for every command.
        store: folder of generated images; None: the usual one.
        max_gigabytes: of one checkpoint.
        max_open: queued or running jobs of one account.
        max_queue: queued or running jobs of all accounts.
        device, dtype, threads, batch_size: as options of ``unconceal run``.
    """

    data: Path
    root: Path | None = None
    store: Path | None = None
    max_gigabytes: float = 16.0
    max_open: int = 4
    max_queue: int = 100
    device: str = "auto"
    dtype: str = "float32"
    threads: int | None = None
    batch_size: int = 128

    def job_folder(self, job: str) -> Path:
        """The folder of one job's files."""
        return self.data / "jobs" / job
