"""Run a measurement in a fresh process, so that its peak memory is its own and no cache is warm."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple

from unconceal.errors import EnvironmentFault


class MeasuredResult(NamedTuple):
    """Return value of a function and the peak memory of its process in MB; ``gpu_mb`` is 0 without a GPU."""

    value: Any
    peak_mb: float
    gpu_mb: float


def run_in_process(function: Callable[..., Any], *arguments: Any) -> MeasuredResult:
    """Call a module-level function in a fresh process.

    Raises:
        EnvironmentFault: the process ended without a result.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_call, function, arguments).result()
        except BrokenProcessPool as error:
            raise EnvironmentFault(
                "bench.process-ended", "the measuring process", "ended without a result", "check that there is enough memory"
            ) from error


def _call(function: Callable[..., Any], arguments: tuple[Any, ...]) -> MeasuredResult:
    value = function(*arguments)
    unit = 1e6 if sys.platform == "darwin" else 1e3
    gpu_mb = 0.0
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        gpu_mb = torch.cuda.max_memory_allocated() / 1e6
    return MeasuredResult(value, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, gpu_mb)
