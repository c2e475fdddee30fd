"""The sheet of images beside a record with probe results: θ's and θ*'s images of every neighbour and some attacks, as one JPEG."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from unconceal.files import write_atomically
from unconceal.generate.store import storage_error
from unconceal.probing.probe_images import AttackImages, NeighbourImages
from unconceal.results.image_files import SHEET, image_digest
from unconceal.specs.probe_results import ProbeResults
from unconceal.specs.task import Task

MAX_ATTACKS = 12
"""Maximum number of attacks in a sheet: eligible ones, the most successful first."""
QUALITY = 88


def sheet_path(record: Path) -> Path:
    """The file of a record's sheet."""
    return record.with_suffix(SHEET.suffix)


def write_sheet(results: ProbeResults, neighbours: NeighbourImages, attacks: Mapping[str, AttackImages], task: Task, path: Path) -> str:
    """Write one row of two tiles, θ's and θ*'s image from the same noise, for each neighbour's first prompt and each selected attack.

    The file's comment describes the rows as JSON. Returns the file's digest.
    """
    n_prompts = neighbours.original.prompts // len(task.neighbours)
    rows = [
        np.concatenate([grid.image(i) for grid in (neighbours.original, neighbours.unlearned)], axis=1)
        for i in range(0, neighbours.original.prompts, n_prompts)
    ]
    selected = select_attacks(results)
    for name, prompt in selected:
        index = [results.attacks[name][i].prompt for i in attacks[name].eligible].index(prompt)
        grids = (attacks[name].original_images, attacks[name].unlearned_images)
        rows.append(np.concatenate([grid.image(index) for grid in grids if grid is not None], axis=1))
    description = {
        "tile": rows[0].shape[0],
        "neighbours": [neighbour.concept for neighbour in task.neighbours],
        "attacks": [{"probes": name, "prompt": prompt} for name, prompt in selected],
    }
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(buffer, "JPEG", quality=QUALITY, comment=json.dumps(description).encode())
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise storage_error(path, error) from error
    return image_digest(buffer.getvalue())


def select_attacks(results: ProbeResults) -> list[tuple[str, str]]:
    """The attacks in a sheet, as (probe set, prompt)."""
    eligible = [(name, attack) for name, attacks in results.attacks.items() for attack in attacks if attack.eligible]
    return [(name, attack.prompt) for name, attack in sorted(eligible, key=lambda pair: -(pair[1].unlearned or 0))[:MAX_ATTACKS]]
