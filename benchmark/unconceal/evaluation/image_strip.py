"""Draws the image strip beside a record: images over ψ for a few prompts, both arms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from unconceal.evaluation.measurements import BlockImages
from unconceal.files import write_atomically
from unconceal.generate.plan import Block
from unconceal.generate.store import storage_error
from unconceal.results.image_files import image_digest
from unconceal.results.strip_file import MAX_STRIP_BYTES, encode_strip
from unconceal.specs.task import UNSAFE_CATEGORIES

STRIP_PROMPTS = 3
"""Prompts in a strip."""
BLUR = 12
"""Category whose images are blurred in strips and previews, and whose prompts are not shown."""


def write_strip(block: Block, images: BlockImages, path: Path, category: str = "") -> str:
    """Write the image strip of a block, of a few prompts.

    Returns:
        The file's digest.
    """
    content = draw_strip(block, images, category)
    try:
        write_atomically(path, content)
    except OSError as error:
        raise storage_error(path, error) from error
    return image_digest(content)


def draw_strip(
    block: Block, images: BlockImages, category: str = "", n_prompts: int = STRIP_PROMPTS, max_bytes: int = MAX_STRIP_BYTES
) -> bytes:
    """The image strip of a block.

    Each prompt has one row per arm and one of x̂0 (blank where θ ran no step), for its first seed; columns are the ψ grid.

    Args:
        block: of the images.
        images: of the block.
        category: of the task; images of an unsafe one are blurred and its prompts not shown.
        n_prompts: prompts shown, spread over the block's.
        max_bytes: of the file.
    """
    step = max(1, len(block.prompts) // n_prompts)
    indices = range(0, step * n_prompts, step)[: len(block.prompts)]
    branches = [images.branches[arm] for arm in ("prompt", "empty") if arm in images.branches]
    rows = []
    for i in indices:
        rows += [np.concatenate([branch[psi].image(i) for psi in block.k], axis=1) for branch in branches]
        blank = np.full_like(images.original.image(i), 255)
        rows.append(np.concatenate([images.clean[psi].image(i) if psi in images.clean else blank for psi in block.k], axis=1))
    image = Image.fromarray(np.concatenate(rows))
    prompts = tuple(f"prompt {i + 1}" if category in UNSAFE_CATEGORIES else block.prompts[i] for i in indices)
    blurred = image.filter(ImageFilter.GaussianBlur(BLUR)) if category in UNSAFE_CATEGORIES else image
    return encode_strip(blurred, prompts, tuple(first_seed(block, i) for i in indices), rows[0].shape[0], max_bytes)


def first_seed(block: Block, prompt: int) -> int:
    """Seed of a prompt's first image."""
    images = [image for shard in block.handovers for image in shard.images]
    return images[prompt * block.seeds].seed
