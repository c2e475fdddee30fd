"""The picture beside a record: λP over ψ for a few prompts, both arms, as one PNG."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from PIL.PngImagePlugin import PngInfo

from unconceal.evaluation.measurements import BlockImages
from unconceal.files import write_atomically
from unconceal.generate.plan import Block
from unconceal.generate.store import storage_fault

SHOWN = 3
"""Prompts in a strip."""


def strip_path(record: Path) -> Path:
    return record.with_suffix(".strip.png")


UNSAFE, BLUR = "nsfw", 12
"""Category whose pictures are blurred wherever they are kept to be looked at, and whose prompts are not repeated."""


def write_strip(block: Block, pictures: BlockImages, path: Path, category: str = "") -> None:
    """Rows: for each shown prompt its arms, then x̂0 (blank where θ ran no step); columns: ψ of the grid; the first seed of each prompt."""
    step = max(1, len(block.prompts) // SHOWN)
    shown = range(0, step * SHOWN, step)[: len(block.prompts)]
    kinds = [pictures.branches[arm] for arm in ("prompt", "empty") if arm in pictures.branches]
    rows = []
    for i in shown:
        rows += [np.concatenate([kind[psi].at(i) for psi in block.k], axis=1) for kind in kinds]
        blank = np.full_like(pictures.original.at(i), 255)
        rows.append(np.concatenate([pictures.clean[psi].at(i) if psi in pictures.clean else blank for psi in block.k], axis=1))
    seeds = [member(block, i) for i in shown]
    about = PngInfo()
    said = [f"prompt {i + 1}" if category == UNSAFE else block.prompts[i] for i in shown]
    about.add_text("unconceal", json.dumps({"prompts": said, "seeds": seeds, "tile": rows[0].shape[0]}))
    target, image = io.BytesIO(), Image.fromarray(np.concatenate(rows))
    (image.filter(ImageFilter.GaussianBlur(BLUR)) if category == UNSAFE else image).save(target, "PNG", pnginfo=about, optimize=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, target.getvalue())
    except OSError as error:
        raise storage_fault(path, error) from error


def member(block: Block, prompt: int) -> int:
    """Seed of a prompt's first picture."""
    pictures = [picture for shard in block.handovers for picture in shard.pictures]
    return pictures[prompt * block.seeds].seed
