"""Draws the image strip beside a record: images over ψ for a few prompts, both arms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from unconceal.evaluation.measurements import BlockImages
from unconceal.files import write_atomically
from unconceal.generate.plan import Block
from unconceal.generate.store import storage_error
from unconceal.results.strip_file import encode_strip

STRIP_PROMPTS = 3
"""Prompts in a strip."""


UNSAFE, BLUR = "nsfw", 12
"""Category whose pictures are blurred wherever they are kept to be looked at, and whose prompts are not repeated."""


def write_strip(block: Block, pictures: BlockImages, path: Path, category: str = "") -> None:
    """Rows: for each shown prompt its arms, then x̂0 (blank where θ ran no step); columns: ψ of the grid; the first seed of each prompt."""
    step = max(1, len(block.prompts) // STRIP_PROMPTS)
    shown = range(0, step * STRIP_PROMPTS, step)[: len(block.prompts)]
    kinds = [pictures.branches[arm] for arm in ("prompt", "empty") if arm in pictures.branches]
    rows = []
    for i in shown:
        rows += [np.concatenate([kind[psi].image(i) for psi in block.k], axis=1) for kind in kinds]
        blank = np.full_like(pictures.original.image(i), 255)
        rows.append(np.concatenate([pictures.clean[psi].image(i) if psi in pictures.clean else blank for psi in block.k], axis=1))
    image = Image.fromarray(np.concatenate(rows))
    prompts = tuple(f"prompt {i + 1}" if category == UNSAFE else block.prompts[i] for i in shown)
    blurred = image.filter(ImageFilter.GaussianBlur(BLUR)) if category == UNSAFE else image
    content = encode_strip(blurred, prompts, tuple(first_seed(block, i) for i in shown), rows[0].shape[0])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise storage_error(path, error) from error


def first_seed(block: Block, prompt: int) -> int:
    """Seed of a prompt's first picture."""
    pictures = [picture for shard in block.handovers for picture in shard.images]
    return pictures[prompt * block.seeds].seed
