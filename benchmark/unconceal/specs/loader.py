"""Reads specs from files. A file with mistakes raises one error with all of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from unconceal.errors import UsageError
from unconceal.paths import DataRoot
from unconceal.specs.controls import Controls
from unconceal.specs.document import Document
from unconceal.specs.paraphrases import Paraphrases
from unconceal.specs.probe_set import ProbeSet
from unconceal.specs.problems import MAX_MISTAKES, Problem, SpecProblems, mistakes_from_errors, old_format_mistake, suggestion
from unconceal.specs.spec import Mistake, Spec
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Seeds, SeedStarts, Suite, seed_overlaps
from unconceal.specs.task import Task

AnySpec = TypeVar("AnySpec", bound=Spec)
Check = Callable[[Document], Iterable[Mistake]]
SUITE_FILES = ("suite.yaml", "planting.yaml", "paraphrases.yaml", "controls.yaml")
"""Files in a suite's folder that are not tasks; ``unconceal plant`` reads the second, a fresh re-run the third."""


class SpecFile(NamedTuple):
    """File of a task or submission; ``name`` is unique within its suite."""

    suite: str
    name: str
    path: Path


class ProbeFile(NamedTuple):
    """File of a frozen probe set."""

    suite: str
    task: str
    model: str
    path: Path


def read_yaml(path: Path, model: type[AnySpec], *checks: Check, inside: Path | None = None) -> AnySpec:
    """Read one spec.

    Args:
        path: the YAML file.
        model: class of the spec.
        checks: further checks of the raw document. They run even if fields of the model are wrong.
        inside: a folder that the file must not be a link out of.

    Raises:
        SpecProblems: all mistakes of the file, each with its line; only one for a file of an older format.
    """
    document = Document.read(path, inside)
    if not isinstance(document.values, dict):
        raise SpecProblems(document.problems)
    problems = list(document.problems)
    for check in checks:
        problems += map(document.problem, check(document))
    try:
        spec = model.model_validate_json(json.dumps(document.values), strict=True)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        if old := old_format_mistake(model, errors):
            raise SpecProblems([document.problem(old)]) from error
        problems += map(document.problem, mistakes_from_errors(model, errors))
    if problems:
        raise SpecProblems(problems)
    return spec


def load_suite(root: DataRoot, name: str) -> Suite:
    """The suite of a name, ``tasks/<name>/suite.yaml``."""
    names = suite_names(root)
    if name not in names:
        raise UsageError("suite.unknown", f"suite {name!r}", "does not exist", suggestion(name, names))
    return read_yaml(suite_file(root, name), Suite, matches_path({"name": name}), seed_blocks_disjoint, inside=root.tasks)


def load_task(root: DataRoot, task: str) -> Task:
    """A task by its id, ``object/star``, or with its suite, ``miniature:object/star``."""
    file = _resolve(root, "task", task, task_files(root))
    category, _, concept = file.name.partition("/")
    expected = {"suite": file.suite, "category": category, "concept": concept}
    return read_yaml(file.path, Task, matches_path(expected), inside=root.tasks)


def load_submission(root: DataRoot, submission: str) -> Submission:
    """A submission by its name, ``esd-x``, or with its suite, ``miniature/esd-x``."""
    suite, name, path = _resolve(root, "submission", submission, submission_files(root))
    fields = {"suite": suite, "name": name}
    checks = (matches_path(fields), tasks_exist(root, suite), base_matches(root, suite), controls_declared(root, suite))
    return read_yaml(path, Submission, *checks, inside=root.submissions)


def load_probes(root: DataRoot, task: Task, model: str) -> ProbeSet:
    """The frozen probe set of a task by the stem of its file, which names the language model: ``llama-3.1-8b-instruct``."""
    paths = {file.model: file.path for file in probe_files(root) if (file.suite, file.task) == (task.suite, task.id)}
    if model not in paths:
        raise UsageError("probes.unknown", f"language model {model!r}", f"has no probe set for {task.id}", suggestion(model, paths))
    return read_yaml(paths[model], ProbeSet, matches_path({"suite": task.suite, "task": task.id}), inside=root.tasks)


def load_paraphrases(root: DataRoot, suite: str) -> Paraphrases | None:
    """The paraphrases of a suite, ``tasks/<name>/paraphrases.yaml``; None if it has none."""
    path = paraphrases_file(root, suite)
    return read_yaml(path, Paraphrases, matches_path({"suite": suite}), inside=root.tasks) if path.is_file() else None


def load_controls(root: DataRoot, suite: str) -> Controls | None:
    """The controls that a suite declares, ``tasks/<name>/controls.yaml``; None if it declares none, and any may be named."""
    path = controls_file(root, suite)
    return _controls(path, path.stat().st_mtime_ns, root.tasks) if path.is_file() else None


@cache
def _controls(path: Path, changed: int, tasks: Path) -> Controls:
    return read_yaml(path, Controls, matches_path({"suite": path.parent.name}), inside=tasks)


def all_tasks(root: DataRoot) -> tuple[Task, ...]:
    """Every task of every suite; raises the mistakes of all files at once."""
    return load_all(partial(load_task, root, f"{file.suite}:{file.name}") for file in task_files(root))


def all_submissions(root: DataRoot) -> tuple[Submission, ...]:
    """Every submission of every suite; raises the mistakes of all files at once."""
    return load_all(partial(load_submission, root, f"{file.suite}/{file.name}") for file in submission_files(root))


def load_all(loaders: Iterable[Callable[[], AnySpec]]) -> tuple[AnySpec, ...]:
    """Call all loaders; raises the mistakes of all files at once."""
    specs: list[AnySpec] = []
    problems: list[Problem] = []
    for load in loaders:
        try:
            specs.append(load())
        except SpecProblems as error:
            problems += error.problems
    if problems:
        raise SpecProblems(problems)
    return tuple(specs)


def suite_names(root: DataRoot) -> tuple[str, ...]:
    """The names of all suites."""
    return tuple(sorted(path.parent.name for path in root.tasks.glob("*/suite.yaml")))


def suite_file(root: DataRoot, name: str) -> Path:
    """Path of a suite's file."""
    return root.tasks / name / "suite.yaml"


def paraphrases_file(root: DataRoot, suite: str) -> Path:
    """Path of a suite's paraphrases; the file need not exist."""
    return root.tasks / suite / "paraphrases.yaml"


def controls_file(root: DataRoot, suite: str) -> Path:
    """Path of a suite's controls; the file need not exist."""
    return root.tasks / suite / "controls.yaml"


def task_files(root: DataRoot) -> list[SpecFile]:
    """Files of all tasks; the name is the task's id."""
    paths = sorted(root.tasks.glob("*/*/*.yaml"))
    return [SpecFile(path.parts[-3], f"{path.parent.name}/{path.stem}", path) for path in paths]


def submission_files(root: DataRoot) -> list[SpecFile]:
    """Files of all submissions."""
    return [SpecFile(path.parent.name, path.stem, path) for path in sorted(root.submissions.glob("*/*.yaml"))]


def probe_folder(root: DataRoot, task: Task) -> Path:
    """Folder of a task's probe sets; it need not exist."""
    return root.tasks / task.suite / task.category / f"{task.concept}.probes"


def probe_files(root: DataRoot) -> list[ProbeFile]:
    """Files of all frozen probe sets."""
    return [
        ProbeFile(path.parts[-4], f"{path.parts[-3]}/{path.parent.name.removesuffix('.probes')}", path.stem, path)
        for path in sorted(root.tasks.glob("*/*/*.probes/*.yaml"))
    ]


def misplaced_files(root: DataRoot) -> Iterator[Problem]:
    """YAML files in folders where nothing reads them."""
    for folder, depths, remedy in (
        (root.tasks, (2, 3, 4), "move it to tasks/<suite>/<category>/<concept>.yaml"),
        (root.submissions, (2,), "move it to submissions/<suite>/<name>.yaml"),
    ):
        for path in sorted(folder.rglob("*.y*ml")):
            depth = len(path.relative_to(folder).parts)
            misplaced = depth not in depths or (depth == 2 and folder == root.tasks and path.name not in SUITE_FILES)
            misplaced |= depth == 4 and not (path.parent.suffix == ".probes" and path.parent.with_suffix(".yaml").is_file())
            if misplaced or path.suffix != ".yaml":
                yield Problem("spec.stray-file", path, None, "the file", "lies where nothing reads it", remedy)


def is_draft_suite(root: DataRoot, suite: str) -> bool:
    """Whether a suite is a draft; False for a suite that cannot be read."""
    with suppress(SpecProblems, UsageError):
        return load_suite(root, suite).draft
    return False


def _resolve(root: DataRoot, kind: str, name: str, files: list[SpecFile]) -> SpecFile:
    """The file that ``name``, ``suite:name``, ``suite/name`` or a path below the data root refers to.

    A name that several suites have refers to the one suite that is no draft.
    """
    key = name.removesuffix(".yaml").removeprefix(f"{kind}s/").replace(":", "/")
    matches = [file for file in files if key in (file.name, f"{file.suite}/{file.name}")]
    if not matches:
        raise UsageError(f"{kind}.unknown", f"{kind} {name!r}", "does not exist", suggestion(name, _shortest_names(kind, files)))
    if len(matches) > 1:
        matches = [file for file in matches if not is_draft_suite(root, file.suite)] or matches
    if len(matches) > 1:
        remedy = f"write {' or '.join(_qualified_name(kind, file) for file in matches)}"
        raise UsageError(f"{kind}.ambiguous", f"{kind} {name!r}", "stands in several suites", remedy)
    return matches[0]


def _shortest_names(kind: str, files: Iterable[SpecFile]) -> list[str]:
    """The names of files, with the suite where several suites have the same name."""
    files = list(files)
    names = [file.name for file in files]
    return [_qualified_name(kind, file) if names.count(file.name) > 1 else file.name for file in files]


def _qualified_name(kind: str, file: SpecFile) -> str:
    return f"{file.suite}{':' if kind == 'task' else '/'}{file.name}"


def matches_path(expected_fields: Mapping[str, str]) -> Check:
    """A check that fields agree with the path of the file."""

    def check(document: Document) -> Iterator[Mistake]:
        for name, expected in expected_fields.items():
            value = document.values.get(name)
            if value is not None and value != expected:
                consequence = f"disagrees with the file's path, which says {expected!r}"
                yield Mistake("spec.wrong-path", (name,), f"{name} = {value!r}", consequence, "correct the field, or move the file")

    return check


def tasks_exist(root: DataRoot, suite: str) -> Check:
    """A check that every checkpoint is for a task of the suite."""
    names = [file.name for file in task_files(root) if file.suite == suite]

    def check(document: Document) -> Iterator[Mistake]:
        checkpoints = document.values.get("checkpoints")
        unknown = [name for name in checkpoints if name not in names] if isinstance(checkpoints, dict) else []
        for name in unknown[:MAX_MISTAKES]:
            consequence = f"is no task of suite {suite!r}, so it would never run"
            location = ("checkpoints", name)
            yield Mistake("submission.unknown-task", location, f"task {name!r}", consequence, suggestion(name, names))

    return check


def base_matches(root: DataRoot, suite: str) -> Check:
    """A check that the base model that a submission names is the suite's."""

    def check(document: Document) -> Iterator[Mistake]:
        base = document.values.get("base")
        if base is None:
            return
        with suppress(SpecProblems, UsageError):
            suite_base = load_suite(root, suite).base
            expected = suite_base.repo or suite_base.path
            if base != expected:
                consequence = f"is not the base of suite {suite!r}, which is {expected!r}, so a handover between them would mean nothing"
                yield Mistake("submission.other-base", ("base",), f"base {base!r}", consequence, "submit it to a suite of its own base")

    return check


def controls_declared(root: DataRoot, suite: str) -> Check:
    """A check that a control is one that the suite declares, and that no other submission has a control's weights."""

    def check(document: Document) -> Iterator[Mistake]:
        name, checkpoints = document.values.get("name"), document.values.get("checkpoints")
        controls = load_controls(root, suite)
        if controls is not None and isinstance(name, str):
            yield from controls.mistakes_of(name, checkpoints if isinstance(checkpoints, dict) else {})

    return check


def seed_blocks_disjoint(document: Document) -> Iterator[Mistake]:
    """A check that seed blocks do not overlap; it runs even if other fields of the suite are wrong."""
    tiers = document.values.get("tiers")
    with suppress(ValidationError):
        starts = SeedStarts.model_validate(document.values.get("seed_starts"), strict=True)
        for name, tier in tiers.items() if isinstance(tiers, dict) else ():
            with suppress(ValidationError):
                seeds = Seeds.model_validate(tier.get("seeds") if isinstance(tier, dict) else None, strict=True)
                yield from seed_overlaps(starts, {name: seeds})
