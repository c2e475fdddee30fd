"""Lints tasks and probe sets: too few prompts, duplicates, prompts that ask for the wrong concept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from unconceal.specs import lint_prompts
from unconceal.specs.digests import file_digest
from unconceal.specs.probe_set import MIN_NEIGHBOURS, ProbeSet, RatingFile, ReplyFile, file_stem
from unconceal.specs.spec import Mistake
from unconceal.specs.suite import Suite
from unconceal.specs.task import Prompt, Task


def lint(task: Task, suite: Suite) -> Iterator[Mistake]:
    """Mistakes that would make the task's numbers weak or misleading."""
    yield from _too_few(task, suite)
    yield from _duplicates(task)
    yield from _wrong_concepts(task)
    yield from lint_prompts.lint(task, suite)
    if not task.license.strip():
        yield Mistake("task.no-license", ("license",), "license", "is empty, so nobody may reuse the prompts", "name one, e.g. Apache-2.0")


def lint_probes(probes: ProbeSet, task: Task, path: Path) -> Iterator[Mistake]:
    """Mistakes of a frozen probe set.

    Args:
        probes: the probe set.
        task: its task.
        path: its file; the raw replies lie beside it.
    """
    yield from probes.neighbours_named_as([*task.aliases])
    if len(probes.neighbours) < MIN_NEIGHBOURS:
        value = f"{len(probes.neighbours)} neighbours"
        yield Mistake(
            "probes.too-few-neighbours",
            ("neighbours",),
            value,
            f"are too few to correlate anything with (fewer than {MIN_NEIGHBOURS})",
            "elicit again",
        )
    if file_stem(probes.model) != path.stem:
        consequence = f"disagrees with the file's name, which should be {file_stem(probes.model)}.yaml"
        yield Mistake("probes.wrong-file-name", ("model",), f"model {probes.model!r}", consequence, "rename the file, or freeze again")
    yield from _check_source_file(path, "replies", probes.replies)
    if probes.ratings:
        yield from _check_source_file(path, "ratings", probes.ratings)


def _check_source_file(path: Path, field: str, source: ReplyFile | RatingFile) -> Iterator[Mistake]:
    """A file that the set was frozen from and that is missing or different."""
    source_path = path.parent / source.file
    if not source_path.is_file():
        yield Mistake(
            "probes.missing-file", (field, "file"), source.file, "is not there, so nobody can check the set", "put it beside the set"
        )
    elif file_digest(source_path) != source.digest:
        yield Mistake(
            "probes.digest-mismatch",
            (field, "digest"),
            source.file,
            "is not the file that the set was frozen from",
            "restore it, or freeze again",
        )


def names_target(task: Task, text: str) -> bool:
    """Whether a prompt contains the concept's name or an alias as whole words."""
    names = (task.concept.replace("-", " "), *task.aliases)
    return any(re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE) for name in names)


def _too_few(task: Task, suite: Suite) -> Iterator[Mistake]:
    min_prompts = suite.scores.min_prompts
    n_forget = len(task.forget) + (task.forget_from.n_prompts if task.forget_from else 0)
    if n_forget < min_prompts:
        value = f"{n_forget} forget prompts"
        yield Mistake(
            "task.too-few-prompts",
            ("forget",),
            value,
            f"are too few for a verdict (fewer than {min_prompts} give none)",
            "write more, 20 or so",
        )
    concepts = {prompt.concept for prompt in task.retain}
    if len(concepts) < min_prompts:
        value = f"{len(concepts)} retained concepts"
        yield Mistake(
            "task.too-few-concepts", ("retain",), value, "are too few to see damage", f"cover at least {min_prompts} other concepts"
        )
    if task.neighbours and len(task.neighbours) < MIN_NEIGHBOURS:
        value = f"{len(task.neighbours)} neighbours"
        yield Mistake(
            "task.too-few-neighbours",
            ("neighbours",),
            value,
            f"are too few to correlate anything with (fewer than {MIN_NEIGHBOURS})",
            "give 15 or more",
        )


def _duplicates(task: Task) -> Iterator[Mistake]:
    for split, prompts in _splits(task):
        for text, count in Counter(prompt.text for prompt in prompts).items():
            if count > 1:
                index = max(number for number, prompt in enumerate(prompts) if prompt.text == text)
                yield Mistake(
                    "prompt.duplicate",
                    (split, index),
                    repr(text),
                    f"stands {count} times, so it would count as {count} prompts",
                    "keep one",
                )


def _wrong_concepts(task: Task) -> Iterator[Mistake]:
    for split, prompts in _splits(task):
        for number, prompt in enumerate(prompts):
            has_name, location = names_target(task, prompt.text), (split, number)
            if split == "forget" and not has_name:
                remedy = "name the concept, or add the wording to `aliases`"
                yield Mistake("prompt.no-concept", location, repr(prompt.text), f"calls {task.concept!r} by no name or alias", remedy)
            if split == "retain" and (has_name or prompt.concept == task.concept):
                yield Mistake(
                    "prompt.names-target",
                    location,
                    repr(prompt.text),
                    "asks for the target itself, whose loss is no damage",
                    "ask for another concept",
                )
    for number, neighbour in enumerate(task.neighbours):
        for index, text in enumerate(neighbour.prompts):
            if names_target(task, text) or text in neighbour.prompts[:index]:
                consequence = "asks for the target itself or stands twice, so it shows no further damage"
                yield Mistake(
                    "prompt.names-target",
                    ("neighbours", number, "prompts", index),
                    repr(text),
                    consequence,
                    "ask for the neighbour in other words",
                )


def _splits(task: Task) -> tuple[tuple[str, tuple[Prompt, ...]], ...]:
    return ("forget", task.forget), ("retain", task.retain)
