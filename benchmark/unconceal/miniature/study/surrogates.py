"""Golds of the lesser kind: models that never saw a concept, but differ from θ in more than that.

They share θ's latents and nothing else that need be, so they are no submissions: only their presence curves are measured.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from unconceal.files import write_atomically
from unconceal.miniature.building.shortcut import SCRATCH, drawn
from unconceal.miniature.building.steps import SURROGATE
from unconceal.miniature.study.measuring import Study, claimed
from unconceal.miniature.study.population import Member

ANCESTOR = "ancestor"
SURROGATES = (ANCESTOR, SURROGATE)
"""Neither saw any of the nine concepts: the ancestor in a third of θ's training; the surrogate is of another size and another world."""
Curves = dict[str, list[list[float]]]
"""By arm: presence rates, prompts × ψ."""


def names_for(concept: str) -> tuple[str, ...]:
    """The surrogates of a concept; one gold was trained from nothing for *star*."""
    return (*SURROGATES, SCRATCH) if concept == "star" else SURROGATES


def measure(study: Study, task_of: Member, name: str) -> Curves:
    """A surrogate's curves on a member's task, measured once."""
    place = study.folder / "surrogates" / task_of.task / f"{name}.json"
    if not place.exists():
        curves = drawn(study.shop, study.evaluation, study.task(task_of), name)
        told = {curve.arm or "": [[float(value or 0) for value in row] for row in curve.per_prompt] for curve in curves}
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, json.dumps(told).encode())
    found: Curves = json.loads(place.read_text())
    return found


def run(study: Study, wanted: Sequence[Member]) -> None:
    """Measure every surrogate on the tasks of ``wanted`` that is not measured yet."""
    for original in (member for member in wanted if member.kind == "original"):
        for name in names_for(original.concept):
            with claimed(study.folder / "claims", f"{original.task.replace('/', '.')}.{name}") as mine:
                if mine and not made(study, original, name):
                    measure(study, original, name)
                    study.shop.progress.say(f"{name} on {original.task}: measured")


def made(study: Study, member: Member, name: str) -> bool:
    """Whether a surrogate was measured on a member's task."""
    return (study.folder / "surrogates" / member.task / f"{name}.json").exists()
