"""What this machine offers (torch only when a device is asked for)."""

from __future__ import annotations

import os

from unconceal.errors import EnvironmentFault, UsageError


def usable_cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_named(name: str) -> str:
    """``cpu`` or ``cuda``; ``auto`` takes the accelerator if there is one."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device {name!r}", "is unknown", "use auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise EnvironmentFault("device 'cuda'", "no CUDA device can be used", "use --device cpu")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a failure means that memory did not suffice, a card's or the machine's: torch has no one kind for both."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)


def give_back_memory() -> None:
    """Give back what torch keeps of a card's memory for later."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
