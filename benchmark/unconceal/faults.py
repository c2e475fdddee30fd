"""Turns exceptions that nobody expected into errors with a remedy."""

from __future__ import annotations

import errno

from unconceal.errors import EnvironmentFault


def as_fault(error: Exception) -> EnvironmentFault:
    """An unexpected exception as an error with a remedy."""
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ModuleNotFoundError):
        return EnvironmentFault(
            "environment.missing-package",
            f"module {error.name!r}",
            "is not installed, so this verb cannot run",
            "install unconceal again with pip",
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return EnvironmentFault(
            "environment.disk-full", error.filename or "the disk", "is full", "free some space and run the same command again"
        )
    from unconceal.evaluation.environment import is_out_of_memory

    if is_out_of_memory(error):
        remedy = "halve --batch-size, or take --dtype bfloat16, which needs half as much, or --offload"
        return EnvironmentFault("environment.out-of-memory", "memory", f"does not suffice ({message})", remedy)
    if isinstance(error, OSError):
        return EnvironmentFault(
            "environment.system-error",
            error.filename or "the system",
            f"refuses ({error.strerror or message})",
            "check the path and its permissions",
        )
    value = f"{type(error).__name__} ({message})"
    return EnvironmentFault("environment.unexpected", value, "was not expected here", "run `unconceal --debug …` and report the traceback")
