"""Lists the models, datasets and packages that a suite needs, and whether they are present. Needs no network."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from huggingface_hub import try_to_load_from_cache

from unconceal.hub.pinned_models import WHOLE_REPOSITORY, pinned_digest
from unconceal.hub.repository import Repository
from unconceal.paths import DataRoot, resolve_path
from unconceal.specs.digests import path_digest
from unconceal.specs.fill_digests import pinned_parts
from unconceal.specs.judge_training import gate_error, gate_path
from unconceal.specs.loader import all_submissions, all_tasks, load_suite
from unconceal.specs.problems import dotted_name
from unconceal.specs.spec import COMMIT, UNPINNED, Pinned
from unconceal.specs.submission import Checkpoint
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

DETECTOR_LICENSE = "MIT (metadata), AGPL-3.0 (LICENSE)"
"""Of nudenet 3.4.2, whose metadata and license file disagree."""
PRESENT, MISSING, OTHER, DRAFT = "present", "missing", "other than pinned", "not pinned"


@dataclass(frozen=True)
class Requirement:
    """One model, dataset or package. ``state``: present, missing, other than pinned, or not pinned."""

    part: str
    source: str
    gigabytes: float | None
    license: str | None
    state: str

    def row(self) -> dict[str, object]:
        """Its row in a table."""
        return asdict(self)


def suite_requirements(root: DataRoot, suite: str) -> Iterator[Requirement]:
    """Base model, judges, datasets and detectors of the tasks, and golds."""
    suite_spec = load_suite(root, suite)
    for location, part in pinned_parts(suite_spec):
        yield Requirement(dotted_name(location), part.title, part.gigabytes, part.license, pin_state(part, root))
    tasks = [task for task in all_tasks(root) if task.suite == suite]
    yield from _gates(root, suite_spec, tasks)
    yield from dict.fromkeys(requirement for task in tasks for requirement in _task_requirements(task))
    for submission in all_submissions(root):
        if submission.suite == suite and submission.is_gold:
            for checkpoint in dict.fromkeys(submission.checkpoints.values()):
                source = f"{checkpoint.repo}@{(checkpoint.revision or '')[:12]}" if checkpoint.repo else checkpoint.path or ""
                yield Requirement(submission.name, source, checkpoint.gigabytes, submission.license, _gold_state(checkpoint, root))


def pin_state(part: Pinned, root: DataRoot) -> str:
    """State of a pinned file or folder."""
    if part.repo is None:
        local = resolve_path(part.path, root)
        digest = path_digest(local) if local.exists() else None
    else:
        commit = part.revision if COMMIT.fullmatch(part.revision or "") else None
        snapshot = Repository(part.repo, commit).snapshot if commit else None
        path = snapshot / ("" if part.path == WHOLE_REPOSITORY else part.path) if snapshot else None
        digest = pinned_digest(path) if path is not None and path.exists() else None
    if digest is None:
        return f"{MISSING}, {DRAFT}" if part.is_draft else MISSING
    if part.digest == UNPINNED:
        return f"{PRESENT}, {DRAFT}"
    return PRESENT if digest == part.digest else OTHER


def _gates(root: DataRoot, suite: Suite, tasks: Iterable[Task]) -> Iterator[Requirement]:
    """Tasks for which the concept judge, if present, did not pass its gate."""
    judge = suite.judges.concept
    if judge.repo is not None or pin_state(judge, root) != PRESENT:
        return
    judge_path = resolve_path(judge.path, root)
    for task in tasks:
        refused = gate_error(task, judge_path, judge.digest)
        if refused is not None:
            yield Requirement(f"gate of {task.id}", gate_path(judge_path).name, None, None, refused.consequence)


def _task_requirements(task: Task) -> Iterator[Requirement]:
    if task.forget_from is not None:
        prompt_set = task.forget_from
        cached = try_to_load_from_cache(prompt_set.dataset, prompt_set.file, revision=prompt_set.revision, repo_type="dataset")
        source = f"{prompt_set.dataset}@{prompt_set.revision[:12]} {prompt_set.file}"
        yield Requirement("prompts", source, 0.01, prompt_set.license, PRESENT if isinstance(cached, str) else MISSING)
    if task.detector is not None:
        requirement = f"{task.detector.package}=={task.detector.version}"
        installed = importlib.util.find_spec(task.detector.package) is not None
        version = importlib.metadata.version(task.detector.package) if installed else None
        state = MISSING if version is None else PRESENT if version == task.detector.version else f"{OTHER}: {version}"
        yield Requirement("detector", requirement, 0.1, DETECTOR_LICENSE, state)


def _gold_state(checkpoint: Checkpoint, root: DataRoot) -> str:
    from unconceal.hub.local_weights import weights_digest

    if checkpoint.is_draft:
        return f"{MISSING}, {DRAFT}"
    if checkpoint.repo is None:
        return PRESENT if checkpoint.path and resolve_path(checkpoint.path, root).exists() else MISSING
    return PRESENT if weights_digest(checkpoint, root) else MISSING
