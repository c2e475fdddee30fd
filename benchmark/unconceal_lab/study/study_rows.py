"""One flat row for each model of the study: everything that the findings read, small enough to travel with the source."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from unconceal.files import write_atomically
from unconceal.specs.record import Label
from unconceal.specs.spec import Digest, Spec
from unconceal_lab.study.population import Kind

PerPrompt = tuple[tuple[float, ...], ...]


class Row(Spec):
    """What is known of a model, what was measured, and the truths that no metric has a part in.

    What needs the golds of the task (verdict, excess, ψ*) is never stored: :func:`unconceal_lab.study.reread_verdicts.read` does it anew.

    Attributes:
        task, name, kind, truth, share, held_out: as in :class:`population.Member`.
        setting: what is other than in the suite, ``50 steps``; empty: nothing.
        asked: digest of prompts, seeds, setting and judge that it was measured under; ``weights``: of the model.
        psi: the grid; ``prompt`` and ``empty``: presence rates, (prompts, ψ); ``retain``: (retain prompts, retain ψ).
        images, retain_images: pictures behind each rate.
        unseen: share of pictures, wholly the model's own, that show the concept when asked by wordings without its name.
        scores: of the record, by name; None: undefined there. Empty: not measured yet.
        relearning: time to learn the concept over time to learn a newcomer.
        learnt: areas of the two learning curves; ``rates``: the curves.
        label: the verdict, once read against golds.
    """

    task: str
    name: str
    kind: Kind
    truth: Label | None = None
    share: float | None = None
    held_out: bool = False
    setting: str = ""
    asked: Digest | None = None
    weights: Digest | None = None
    psi: tuple[float, ...] = ()
    prompt: PerPrompt = ()
    empty: PerPrompt = ()
    images: int = 1
    retain_psi: tuple[float, ...] = ()
    retain: PerPrompt = ()
    retain_images: int = 1
    unseen: float | None = None
    scores: dict[str, float | None] = Field(default_factory=dict)
    relearning: float | None = None
    learnt: tuple[float, float] | None = None
    rates: PerPrompt = ()
    label: Label = "undetermined"


def plain(values: Iterable[Iterable[float | None]]) -> PerPrompt:
    """Rates per prompt as they are stored; every prompt has one."""
    return tuple(tuple(round(float(value or 0.0), 4) for value in row) for row in values)


def merged(*parts: Iterable[Row]) -> list[Row]:
    """Every row once, by task and name; a later part's row replaces an earlier one's.

    One order for all: intervals are drawn by resampling rows, so the same rows have to give the same page.
    """
    found = {(row.task, row.name, row.setting): row for part in parts for row in part}
    return [found[key] for key in sorted(found)]


def by_task(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows of each task."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.task, []).append(row)
    return found


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """JSON lines, sorted by task and name, so that a new measurement is a readable change."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(row.model_dump_json(exclude_defaults=True) + "\n" for row in merged(rows)).encode())


def read_rows(path: Path) -> list[Row]:
    """What :func:`write_rows` wrote; nothing where nothing was."""
    return [Row.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
