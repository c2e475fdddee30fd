"""From files to specs: every mistake of a file is reported at once, or the whole file is right."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from unconceal.errors import UsageError
from unconceal.paths import DataRoot
from unconceal.specs.document import Document
from unconceal.specs.probe_set import ProbeSet
from unconceal.specs.problems import Problem, SpecProblems, mistakes_from_errors, suggestion
from unconceal.specs.spec import Mistake, Spec
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Seeds, SeedStarts, Suite, seed_overlaps
from unconceal.specs.task import Task

AnySpec = TypeVar("AnySpec", bound=Spec)
Check = Callable[[Document], Iterable[Mistake]]


def read_yaml(path: Path, model: type[AnySpec], *checks: Check) -> AnySpec:
    """Read one spec; ``checks`` look at the raw document, so they speak even where the model's fields are wrong.

    Raises:
        SpecProblems: all mistakes of the file, each with its line.
    """
    document = Document.read(path)
    if not isinstance(document.values, dict):
        raise SpecProblems(document.problems)
    problems = list(document.problems)
    for check in checks:
        problems += map(document.problem, check(document))
    try:
        spec = model.model_validate_json(json.dumps(document.values), strict=True)
    except ValidationError as error:
        problems += map(document.problem, mistakes_from_errors(model, error.errors(include_url=False)))
    if problems:
        raise SpecProblems(problems)
    return spec


def load_suite(root: DataRoot, name: str) -> Suite:
    """The suite of that name, ``tasks/<name>/suite.yaml``."""
    known = suite_names(root)
    if name not in known:
        raise UsageError("suite.unknown", f"suite {name!r}", "does not exist", suggestion(name, known))
    return read_yaml(suite_file(root, name), Suite, matches_path({"name": name}), seed_blocks_disjoint)


def load_task(root: DataRoot, task: str) -> Task:
    """A task by its id, ``object/star``, or with its suite, ``miniature:object/star``."""
    of, name, path = _only(root, "task", task, task_files(root))
    category, _, concept = name.partition("/")
    return read_yaml(path, Task, matches_path({"suite": of, "category": category, "concept": concept}))


def load_submission(root: DataRoot, submission: str) -> Submission:
    """A submission by its name, ``esd-x``, or with its suite, ``miniature/esd-x``."""
    of, name, path = _only(root, "submission", submission, submission_files(root))
    return read_yaml(path, Submission, matches_path({"suite": of, "name": name}), tasks_exist(root, of), base_matches(root, of))


def load_probes(root: DataRoot, task: Task, model: str) -> ProbeSet:
    """The frozen probe set of a task by its language model, as its file is called: ``llama-3.1-8b-instruct``."""
    found = {name: path for of, here, name, path in probe_files(root) if (of, here) == (task.suite, task.id)}
    if model not in found:
        raise UsageError("probes.unknown", f"language model {model!r}", f"has no probe set for {task.id}", suggestion(model, found))
    return read_yaml(found[model], ProbeSet, matches_path({"suite": task.suite, "task": task.id}))


def all_tasks(root: DataRoot) -> tuple[Task, ...]:
    """Every task of every suite; the mistakes of all files at once."""
    return load_all(partial(load_task, root, f"{of}:{name}") for of, name, _ in task_files(root))


def all_submissions(root: DataRoot) -> tuple[Submission, ...]:
    """Every submission of every suite; the mistakes of all files at once."""
    return load_all(partial(load_submission, root, f"{of}/{name}") for of, name, _ in submission_files(root))


def load_all(loads: Iterable[Callable[[], AnySpec]]) -> tuple[AnySpec, ...]:
    """All specs, or the mistakes of all files."""
    specs: list[AnySpec] = []
    problems: list[Problem] = []
    for load in loads:
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


SUITE_FILES = ("suite.yaml", "planting.yaml")
"""Files of a suite beside its tasks; the second is read by ``unconceal plant``."""


def suite_file(root: DataRoot, name: str) -> Path:
    return root.tasks / name / "suite.yaml"


def task_files(root: DataRoot) -> list[tuple[str, str, Path]]:
    """(suite, task id, file) of every task."""
    found = sorted(root.tasks.glob("*/*/*.yaml"))
    return [(path.parts[-3], f"{path.parent.name}/{path.stem}", path) for path in found]


def submission_files(root: DataRoot) -> list[tuple[str, str, Path]]:
    """(suite, name, file) of every submission."""
    return [(path.parent.name, path.stem, path) for path in sorted(root.submissions.glob("*/*.yaml"))]


def probe_folder(root: DataRoot, task: Task) -> Path:
    """Where a task's probe sets lie, whether or not there is one."""
    return root.tasks / task.suite / task.category / f"{task.concept}.probes"


def probe_files(root: DataRoot) -> list[tuple[str, str, str, Path]]:
    """(suite, task id, language model, file) of every frozen probe set."""
    found = sorted(root.tasks.glob("*/*/*.probes/*.yaml"))
    return [(path.parts[-4], f"{path.parts[-3]}/{path.parent.name.removesuffix('.probes')}", path.stem, path) for path in found]


def misplaced_files(root: DataRoot) -> Iterator[Problem]:
    """YAML files that lie where no suite, task, probe set or submission is read from, so that they would be passed over."""
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
    """Whether a suite's parts are not pinned yet; a suite that cannot be read is none."""
    with suppress(SpecProblems, UsageError):
        return load_suite(root, suite).draft
    return False


def _only(root: DataRoot, kind: str, wanted: str, files: list[tuple[str, str, Path]]) -> tuple[str, str, Path]:
    """The one file that is meant by ``name``, ``suite:name``, ``suite/name`` or its own path below the data root.

    A name alone means no draft suite where it stands in another, too.
    """
    asked = wanted.removesuffix(".yaml").removeprefix(f"{kind}s/").replace(":", "/")
    found = [entry for entry in files if asked in (entry[1], f"{entry[0]}/{entry[1]}")]
    if not found:
        raise UsageError(f"{kind}.unknown", f"{kind} {wanted!r}", "does not exist", suggestion(wanted, [name for _, name, _ in files]))
    if len(found) > 1:
        found = [entry for entry in found if not is_draft_suite(root, entry[0])] or found
    if len(found) > 1:
        named = " or ".join(f"{of}:{name}" if kind == "task" else f"{of}/{name}" for of, name, _ in found)
        raise UsageError(f"{kind}.ambiguous", f"{kind} {wanted!r}", "stands in several suites", f"write {named}")
    return found[0]


def matches_path(place: Mapping[str, str]) -> Check:
    """A check that the fields say what the file's place says."""

    def check(document: Document) -> Iterator[Mistake]:
        for name, expected in place.items():
            said = document.values.get(name)
            if said is not None and said != expected:
                consequence = f"disagrees with the file's place, which says {expected!r}"
                yield Mistake("spec.wrong-path", (name,), f"{name} = {said!r}", consequence, "correct the field, or move the file")

    return check


def tasks_exist(root: DataRoot, suite: str) -> Check:
    """A check that every checkpoint is for a task of the suite."""
    known = [name for of, name, _ in task_files(root) if of == suite]

    def check(document: Document) -> Iterator[Mistake]:
        checkpoints = document.values.get("checkpoints")
        for name in checkpoints if isinstance(checkpoints, dict) else ():
            if name not in known:
                remedy = suggestion(name, known)
                yield Mistake(
                    "submission.unknown-task",
                    ("checkpoints", name),
                    f"task {name!r}",
                    f"is no task of suite {suite!r}, so it would never run",
                    remedy,
                )

    return check


def base_matches(root: DataRoot, suite: str) -> Check:
    """A check that a submission that names its base names the suite's."""

    def check(document: Document) -> Iterator[Mistake]:
        said = document.values.get("base")
        if said is None:
            return
        with suppress(SpecProblems, UsageError):
            base = load_suite(root, suite).base
            ours = base.repo or base.path
            if said != ours:
                consequence = f"is not the base of suite {suite!r}, which is {ours!r}, so a handover between them would mean nothing"
                yield Mistake("submission.other-base", ("base",), f"base {said!r}", consequence, "submit it to a suite of its own base")

    return check


def seed_blocks_disjoint(document: Document) -> Iterator[Mistake]:
    """Overlaps of the seed blocks, found even where other fields of the suite are wrong."""
    tiers = document.values.get("tiers")
    with suppress(ValidationError):
        starts = SeedStarts.model_validate(document.values.get("seed_starts"), strict=True)
        for name, tier in tiers.items() if isinstance(tiers, dict) else ():
            with suppress(ValidationError):
                seeds = Seeds.model_validate(tier.get("seeds") if isinstance(tier, dict) else None, strict=True)
                yield from seed_overlaps(starts, {name: seeds})
