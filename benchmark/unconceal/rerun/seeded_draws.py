"""Draws that depend on a seed and a label alone, by SHA-256: the same in every version of Python and numpy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def uniform(seed: int, label: str) -> float:
    """A number in [0, 1)."""
    return int.from_bytes(_digest(seed, label)[:6]) / 2**48


def shuffled(texts: Iterable[str], seed: int, label: str) -> list[str]:
    """Distinct texts in random order, which does not depend on their own."""
    return sorted(set(texts), key=lambda text: (_digest(seed, f"{label}\0{text}"), text))


def _digest(seed: int, label: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{label}".encode()).digest()
