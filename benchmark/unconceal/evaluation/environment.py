"""The machine, the packages and the code behind a record (torch only where a device is needed)."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from unconceal import __version__
from unconceal.errors import EnvironmentFault, UsageError
from unconceal.paths import SOURCE_TREE
from unconceal.specs.digests import canonical_digest
from unconceal.specs.record import Code
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

PACKAGES = ("torch", "diffusers", "transformers", "timm", "torchmetrics", "numpy", "scipy", "safetensors")


def usable_cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resolve_device(name: str) -> str:
    """``cpu`` or ``cuda``; ``auto`` is the accelerator if there is one.

    Raises:
        UsageError: the name is unknown.
        EnvironmentFault: there is no CUDA device.
    """
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise UsageError("device.unknown", f"device {name!r}", "is unknown", "use auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise EnvironmentFault("device.no-cuda", "device 'cuda'", "no CUDA device can be used", "use --device cpu")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means too little memory, of a GPU or of the machine: torch has no single class for both."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)


def free_cached_memory() -> None:
    """Release the GPU memory that torch has cached."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def spec_digests(suite: Suite, task: Task, submission: Submission) -> dict[str, str]:
    """Digests of the three specs; the submission's covers only what decides the result: its name and this task's checkpoint."""
    checkpoint = submission.checkpoints[task.id].model_dump(mode="json", exclude_none=True)
    return {
        "task_digest": canonical_digest(task.content()),
        "suite_digest": canonical_digest(suite.content()),
        "submission_digest": canonical_digest({"name": submission.name, "checkpoint": checkpoint}),
    }


def code_state() -> Code:
    """The version, and the commit of the source tree if there is one; results/ and generated pages don't make it dirty."""
    commit = git("rev-parse", "HEAD")
    changes = git("status", "--porcelain", "--untracked-files=no", "--", "benchmark", "tasks", "submissions") if commit else ""
    return Code(version=__version__, commit=commit or None, dirty=bool(changes))


def git(*arguments: str) -> str:
    """Output of a git command in the source tree; empty outside a checkout."""
    try:
        process = subprocess.run(["git", "-C", str(SOURCE_TREE), *arguments], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return process.stdout.strip()


def package_versions(names: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Installed versions by package."""
    return {name: importlib.metadata.version(name) for name in names}


def machine_info() -> dict[str, str]:
    """Versions of Python and the platform."""
    return {"python": platform.python_version(), "platform": f"{platform.system()}-{platform.machine()}"}


def processor_model() -> str | None:
    """Model name of the CPU; None if the system does not name it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None) or platform.processor() or None


def utc_now() -> str:
    """The date and time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
