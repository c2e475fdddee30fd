"""A public model's own pictures of everyday prompts, trained on beside invented ones so that it does not forget what it knew.

The idea is the prior preservation of DreamBooth (arXiv 2208.12242).
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
from unconceal.specs.task import Task


def everyday(tasks: Iterable[Task]) -> list[str]:
    """What tasks retain and what they have as neighbours, each prompt once; nothing of unsafe tasks."""
    safe = [task for task in tasks if task.category != "nsfw"]
    texts = [prompt.text for task in safe for prompt in task.retain]
    return list(dict.fromkeys([*texts, *(text for task in safe for one in task.neighbours for text in one.prompts)]))


def write_kept(
    folder: Path, model: Model, prompts: Sequence[str], count: int, seed: int, batch: int, advance: Callable[[float], None] = lambda n: None
) -> Path:
    """``count`` pictures, the prompts in turn; picture i depends on (seed, i) alone, and those that are there are not drawn again."""
    folder.mkdir(parents=True, exist_ok=True)
    names, texts = [f"{seed}-{i:06d}.png" for i in range(count)], [prompts[i % len(prompts)] for i in range(count)]
    for first in range(0, count, batch):
        chosen = [i for i in range(first, min(first + batch, count)) if not (folder / names[i]).is_file()]
        if chosen:
            asked = [texts[i] for i in chosen]
            seeds = [image_seed(seed, text, i) for text, i in zip(asked, chosen, strict=True)]
            drawn = model.decode(run_original(model, asked, seeds, (model.steps,), batch).latents[model.steps])
            for i, picture in zip(chosen, drawn, strict=True):
                part = folder / f"{names[i]}.part"
                Image.fromarray(picture).save(part, "PNG")
                part.replace(folder / names[i])
        advance(min(batch, count - first))
    lines = [json.dumps({"file_name": name, "text": text, "concepts": []}) for name, text in zip(names, texts, strict=True)]
    write_atomically(folder / METADATA, ("\n".join(lines) + "\n").encode())
    return folder
