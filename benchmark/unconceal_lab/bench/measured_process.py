"""Measurements in a process of their own, so that the peak of its memory is theirs alone and nothing is warm from another."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NamedTuple

from unconceal.errors import EnvironmentFault


class Peak(NamedTuple):
    """What a measurement found, and the most memory of its process, in MB; ``card``: of the GPU, 0 without one."""

    found: Any
    resident: float
    card: float


def apart(measure: Callable[..., Any], *arguments: Any) -> Peak:
    """``measure(*arguments)``, a function of a module, in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_peaked, measure, arguments).result()
        except BrokenProcessPool as error:
            raise EnvironmentFault(
                "bench.process-ended", "the measuring process", "ended, so there is no number", "see whether memory sufficed"
            ) from error


def _peaked(measure: Callable[..., Any], arguments: tuple[Any, ...]) -> Peak:
    found = measure(*arguments)
    unit = 1e6 if sys.platform == "darwin" else 1e3
    card = 0.0
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        card = torch.cuda.max_memory_allocated() / 1e6
    return Peak(found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, card)
