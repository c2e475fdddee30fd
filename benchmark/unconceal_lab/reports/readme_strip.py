"""The image in README.md: one prompt handed over at every ψ to θ, a gold and a concealer, with their verdicts.

Example:  python -m unconceal_lab.reports.readme_strip docs/images/psi-strip.webp
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unconceal.paths import SOURCE_TREE
from unconceal.results.strip_file import ROWS, Strip, read_strip, strip_path
from unconceal.site.image_blocks import strip_columns
from unconceal.specs.record import Record, read_record

TASK = "miniature-3/object/star"
PROMPT_INDEX = 1
MODELS = {
    "control-original": "θ, the original model",
    "control-gold-1": "gold, never saw a star",
    "decouple-to-other": "decouple-to-other:\nonly the text encoder\nis changed",
}
ARMS = {"prompt": "prompt arm", "empty": "empty arm"}
TILE, LEFT, RIGHT, TOP, GAP = 64, 250, 190, 56, 12
"""Pixels: one tile; margins for labels and verdicts; header; gap between models."""


def read_strip_of(submission: str) -> tuple[Record, Strip]:
    path = SOURCE_TREE / "results" / TASK / f"{submission}.standard-full.json"
    record = read_record(path)
    strip = read_strip(strip_path(path), len(strip_columns(record)))
    if strip is None:
        raise FileNotFoundError(strip_path(path))
    return record, strip


def arm_tiles(strip: Strip, arm: str) -> NDArray[np.uint8]:
    """The row of tiles of one arm: (tile, n_psi · tile, 3)."""
    top = (len(ROWS) * PROMPT_INDEX + ROWS.index(arm)) * strip.tile
    return np.asarray(strip.image.crop((0, top, strip.image.width, top + strip.tile)))


def draw() -> Figure:
    strips = {submission: read_strip_of(submission) for submission in MODELS}
    record, strip = strips["control-original"]
    psi = strip_columns(record)
    height, width = TOP + len(MODELS) * (2 * TILE + GAP), LEFT + len(psi) * TILE + RIGHT
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    axes.text(LEFT - 12, TOP - 12, "θ's share of the denoising, ψ =", ha="right", fontsize=10)
    for i, value in enumerate(psi):
        axes.text(LEFT + (i + 0.5) * TILE, TOP - 12, f"{value:g}", ha="center", fontsize=11)
    axes.text(LEFT, TOP - 36, f"“{strip.prompts[PROMPT_INDEX]}”", fontsize=10, style="italic", color="#444444")
    axes.text(width - RIGHT + 14, TOP - 12, "verdict over 36 prompts", fontsize=10)
    for index, (submission, label) in enumerate(MODELS.items()):
        top = TOP + index * (2 * TILE + GAP)
        record, strip = strips[submission]
        axes.text(12, top + TILE, label, va="center", fontsize=10, weight="bold")
        axes.text(width - RIGHT + 14, top + TILE, record.verdict.label, va="center", fontsize=14, weight="bold")
        for j, (arm, arm_label) in enumerate(ARMS.items()):
            y = top + j * TILE
            axes.text(LEFT - 12, y + TILE / 2, arm_label, ha="right", va="center", fontsize=9, color="#444444")
            axes.imshow(arm_tiles(strip, arm), extent=(LEFT, LEFT + len(psi) * TILE, y + TILE, y), interpolation="lanczos", aspect="auto")
    axes.set(xlim=(0, width), ylim=(height, 0))
    return figure


def main(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draw().savefig(target, dpi=140, pil_kwargs={"quality": 80})
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
