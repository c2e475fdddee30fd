"""Prior-preservation images: a public model's images of everyday prompts, trained on together with invented concepts.

As in DreamBooth (arXiv 2208.12242), they keep the model from forgetting what it knew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from PIL import Image

from unconceal.diffusion.handover import run_original
from unconceal.diffusion.model import Model
from unconceal.files import write_atomically
from unconceal.generate.identity import image_seed
from unconceal.planting.captioned_images import METADATA
from unconceal.specs.task import UNSAFE_CATEGORIES, Task


def prior_prompts(tasks: Iterable[Task]) -> list[str]:
    """Distinct prompts of retained and neighbour concepts of all tasks, without unsafe tasks."""
    safe = [task for task in tasks if task.category not in UNSAFE_CATEGORIES]
    texts = [prompt.text for task in safe for prompt in task.retain]
    return list(dict.fromkeys([*texts, *(text for task in safe for neighbour in task.neighbours for text in neighbour.prompts)]))


def write_prior_images(
    folder: Path,
    model: Model,
    prompts: Sequence[str],
    count: int,
    seed: int,
    batch_size: int,
    advance: Callable[[float], None] = lambda n: None,
) -> Path:
    """Generate prior-preservation images from the base model; existing files are kept.

    Args:
        folder: receives images and metadata.
        model: the base.
        prompts: used in turn.
        count: number of images.
        seed: image i depends on (seed, i) only.
        batch_size: images generated together.
        advance: called with the number of images done.

    Returns:
        ``folder``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names, texts = [f"{seed}-{i:06d}.png" for i in range(count)], [prompts[i % len(prompts)] for i in range(count)]
    for first in range(0, count, batch_size):
        missing = [i for i in range(first, min(first + batch_size, count)) if not (folder / names[i]).is_file()]
        if missing:
            prompts_missing = [texts[i] for i in missing]
            seeds = [image_seed(seed, text, i) for text, i in zip(prompts_missing, missing, strict=True)]
            images = model.decode(run_original(model, prompts_missing, seeds, (model.steps,), batch_size).latents[model.steps])
            for i, image in zip(missing, images, strict=True):
                partial = folder / f"{names[i]}.part"
                Image.fromarray(image).save(partial, "PNG")
                partial.replace(folder / names[i])
        advance(min(batch_size, count - first))
    lines = [json.dumps({"file_name": name, "text": text, "concepts": []}) for name, text in zip(names, texts, strict=True)]
    write_atomically(folder / METADATA, ("\n".join(lines) + "\n").encode())
    return folder
