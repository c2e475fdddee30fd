"""How near a task's neighbours are, from its frozen probe sets: the horizontal axis of the damage scatter."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from unconceal.errors import UnconcealError
from unconceal.paths import DataRoot
from unconceal.site.charts import Mark
from unconceal.specs.reading import load_probes, load_task, probe_files
from unconceal.specs.record import Score


@cache
def similarity(root: DataRoot, suite: str, task: str) -> tuple[str, Mapping[str, float]]:
    """(language model, concept to its similarity 1–10) of the task's first probe set; empty without one."""
    for of, here, model, _ in probe_files(root):
        if (of, here) == (suite, task):
            try:
                found = load_probes(root, load_task(root, f"{suite}:{task}"), model)
            except UnconcealError:
                continue
            return model, {neighbour.concept: neighbour.similarity.mean for neighbour in found.neighbours}
    return "", {}


def damage_marks(damage: Mapping[str, Score], near: Mapping[str, float]) -> tuple[Mark, ...]:
    """A mark per concept whose damage and similarity are known."""
    return tuple(Mark(concept, near[concept], score) for concept, score in damage.items() if concept in near and score.value is not None)


def damage_order(damage: Mapping[str, Score]) -> tuple[tuple[str, Score], ...]:
    """Concepts whose damage is known, the most damaged first."""
    known = [(concept, score) for concept, score in damage.items() if score.value is not None]
    return tuple(sorted(known, key=lambda one: (-(one[1].value or 0.0), one[0])))
