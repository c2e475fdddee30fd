"""Saves the task and the submission of a first look as a data root to go on from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from unconceal.errors import CheckFailed, UsageError
from unconceal.files import write_atomically
from unconceal.first_look.first_look import FirstLook
from unconceal.paths import DataRoot
from unconceal.specs.lint_task import lint
from unconceal.specs.loader import suite_file
from unconceal.specs.round_trip import yaml_text
from unconceal.specs.submission import Checkpoint

NAME = "first-look"


def save_specs(look: FirstLook, folder: Path, root: DataRoot) -> tuple[Path, Path]:
    """Write ``tasks/…/<concept>.yaml`` and ``submissions/…/first-look-<concept>.yaml`` into a folder, with a copy of the suite's file.

    Local weights are copied beside the submission.

    Returns:
        The paths of both files.

    Raises:
        UsageError: the base is no suite's, or a file of that name exists.
        CheckFailed: the task is not sound.
    """
    suite = look.base.suite
    if suite is None:
        consequence = "is the base of no suite, so no task of it could be checked or run"
        raise UsageError("look.no-suite", repr(look.result.base), consequence, "name the base of a suite, or write a suite.yaml first")
    mistake = next(iter(lint(look.task, suite)), None)
    if mistake is not None:
        remedy = f"{mistake.remedy}, or name more concepts with --retain"
        raise CheckFailed("look.unsound-task", f"{look.task.id}: {mistake.value}", mistake.consequence, remedy)
    task_path = folder / "tasks" / suite.name / f"{look.task.id}.yaml"
    name = f"{NAME}-{look.task.concept}"
    submission_path = folder / "submissions" / suite.name / f"{name}.yaml"
    for path in (task_path, submission_path):
        if path.exists():
            raise UsageError("look.exists", str(path), "exists already", "name another folder with --save")
        path.parent.mkdir(parents=True, exist_ok=True)
    suite_copy = folder / "tasks" / suite.name / "suite.yaml"
    if not suite_copy.exists():
        shutil.copyfile(suite_file(root, suite.name), suite_copy)
    checkpoint = saved_checkpoint(look, folder, suite.name, name)
    values: dict[str, Any] = {"name": name, "suite": suite.name, "title": f"First look at {look.task.judge.label}"}
    values |= {"description": "Drafted by `unconceal evaluate`. Replace title and description.", "checkpoints": {look.task.id: checkpoint}}
    write_atomically(task_path, yaml_text(look.task.model_dump(mode="json", exclude_defaults=True)).encode())
    write_atomically(submission_path, yaml_text(values).encode())
    return task_path, submission_path


def saved_checkpoint(look: FirstLook, folder: Path, suite: str, name: str) -> dict[str, Any]:
    """The checkpoint's fields; local weights are copied into the folder."""
    checkpoint: Checkpoint = look.checkpoint
    if checkpoint.repo is not None:
        return checkpoint.model_dump(mode="json", exclude_defaults=True)
    source = look.weights
    target = folder / "submissions" / suite / "weights" / name / f"{look.task.concept}{source.suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    (shutil.copytree if source.is_dir() else shutil.copyfile)(source, target)
    return {"path": target.relative_to(folder).as_posix()} | ({"use": checkpoint.use} if checkpoint.use else {})
