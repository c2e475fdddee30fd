"""The pictures beside a record that was probed: θ's and θ*'s of every neighbour and of some attacks, as one JPEG."""

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
from unconceal.specs.probe_results import ProbeResults
from unconceal.specs.task import Task

ATTACKS = 12
"""Most attacks that are shown: eligible ones, those that came through first."""
QUALITY = 88


def sheet_path(record: Path) -> Path:
    return record.with_suffix(".probes.jpg")


def write_sheet(found: ProbeResults, pictures: NeighbourImages, attacked: Mapping[str, AttackImages], task: Task, path: Path) -> None:
    """One row of two tiles, θ's and θ*'s from the same noise, for each neighbour's first prompt and each attack shown.

    The file's comment says what the rows are, as JSON.
    """
    each = pictures.original.prompts // len(task.neighbours)
    rows = [
        np.concatenate([part.image(i) for part in (pictures.original, pictures.unlearned)], axis=1)
        for i in range(0, pictures.original.prompts, each)
    ]
    chosen = attacks_shown(found)
    for name, attack in chosen:
        place = [found.attacks[name][i].prompt for i in attacked[name].eligible].index(attack)
        sides = (attacked[name].original_images, attacked[name].unlearned_images)
        rows.append(np.concatenate([side.image(place) for side in sides if side is not None], axis=1))
    said = {
        "tile": rows[0].shape[0],
        "neighbours": [neighbour.concept for neighbour in task.neighbours],
        "attacks": [{"probes": name, "prompt": attack} for name, attack in chosen],
    }
    target = io.BytesIO()
    Image.fromarray(np.concatenate(rows)).save(target, "JPEG", quality=QUALITY, comment=json.dumps(said).encode())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, target.getvalue())
    except OSError as error:
        raise storage_error(path, error) from error


def attacks_shown(found: ProbeResults) -> list[tuple[str, str]]:
    """(set, prompt) of what is shown."""
    eligible = [(name, attack) for name, attacks in found.attacks.items() for attack in attacks if attack.eligible]
    return [(name, attack.prompt) for name, attack in sorted(eligible, key=lambda pair: -(pair[1].unlearned or 0))[:ATTACKS]]
