"""Well-formed files of weights that are no model of ours."""

from __future__ import annotations

from pathlib import Path

import torch

from checkpoints.hostile.corpus import KEY, saved, tries


@tries("weights that are not numbers", "checkpoint.not-finite")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.full((8,), float("nan"))})


@tries("infinite weights", "checkpoint.not-finite")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.full((8,), float("inf"))})


@tries("weights that overflow in the base's precision", "checkpoint.not-finite")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.full((8,), 1e300, dtype=torch.float64)})


@tries("whole numbers for weights", "checkpoint.not-floating")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.full((8,), 2**40)})


@tries("weights of another shape", "checkpoint.wrong-shape")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.ones(9)})


@tries("a key that closes the page's tag", "checkpoint.unknown-format")
def _(folder: Path) -> Path:
    return saved(folder, {"</td><script>alert(1)</script>": torch.ones(8)})


@tries("a key with a line break and an escape", "checkpoint.unknown-format")
def _(folder: Path) -> Path:
    return saved(folder, {"x\n\x1b[31mred": torch.ones(8)})


@tries("a format string for a key", "checkpoint.unknown-format")
def _(folder: Path) -> Path:
    return saved(folder, {"{0.__class__}%s%n": torch.ones(8)})
