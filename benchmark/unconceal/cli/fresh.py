"""``unconceal run --fresh``: draws the prompts, seeds and ψ of a re-run, and adds the golds that it is compared with."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unconceal.errors import UsageError
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal.specs.submission import Submission
    from unconceal.specs.task import Task

FOLDER = "results-fresh"
MAX_SEED = 2**48
Pairs = list[tuple["Task", "Submission"]]


def draw_seed() -> int:
    """A seed that nobody could have known."""
    return secrets.randbelow(MAX_SEED)


def fresh_root(data: DataRoot, seed: int, results: Path | None) -> DataRoot:
    """The data root with a results folder of the re-run's own.

    Raises:
        UsageError: the folder is that of the published results.
    """
    folder = results or data.results.parent / FOLDER / str(seed)
    if folder.resolve() == data.results.resolve():
        value, consequence = f"--results {folder}", "holds the published records, which a fresh re-run must not replace"
        raise UsageError("fresh.published-results", value, consequence, "name another folder, or leave --results out")
    return replace(data, results=folder)


def refuse_options(options: Mapping[str, Any]) -> None:
    """Check that no option is given that a fresh re-run does not have.

    Raises:
        UsageError: there is one; ``options`` has their values by name.
    """
    for name, value in options.items():
        if value:
            raise UsageError("fresh.other-option", f"--fresh with {name}", "is not compared with any row", f"leave {name} out")


def fresh_pairs(data: DataRoot, suite: str, pairs: Sequence[tuple[Task, Submission]], seed: int) -> tuple[Pairs, tuple[str, ...]]:
    """All pairs with drawn tasks, golds included, and what could not be drawn.

    Args:
        data: has the suite's paraphrases and the golds.
        suite: name of the suite.
        pairs: tasks as published, and submissions.
        seed: of the draw.
    """
    from unconceal.hub.dataset_prompts import load_reserve
    from unconceal.rerun.fresh_specs import fresh_task
    from unconceal.specs.loader import load_paraphrases, load_submission, load_task

    paraphrases = load_paraphrases(data, suite)
    published = {task.id: task for task, _ in pairs}
    reserves = {name: load_reserve(load_task(data, f"{suite}:{name}")) for name in published}
    tasks = {name: fresh_task(task, paraphrases, seed, reserves[name]) for name, task in published.items()}
    names = dict.fromkeys((task.id, gold) for task in published.values() for gold in task.golds)
    golds = [(name, load_submission(data, f"{suite}/{gold}")) for name, gold in names]
    drawn = {(name, submission.name): (tasks[name], submission) for name, submission in golds}
    drawn |= {(task.id, submission.name): (tasks[task.id], submission) for task, submission in pairs}
    return list(drawn.values()), tuple(line for name in tasks for line in kept_prompts(published[name], tasks[name]))


def kept_prompts(published: Task, drawn: Task) -> Iterator[str]:
    """A line for each part of a task whose prompts stayed as published."""
    for split in ("forget", "retain"):
        before, after = ({prompt.text for prompt in getattr(task, split)} for task in (published, drawn))
        if kept := len(before & after):
            yield f"{drawn.id}: {kept} of {len(after)} {split} prompts stay as published, since paraphrases.yaml has no generator for them"
