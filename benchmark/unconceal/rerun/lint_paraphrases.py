"""Lints a suite's paraphrases against its tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unconceal.errors import CheckFailed
from unconceal.rerun.paraphrase import paraphrase, paraphrase_retained
from unconceal.specs.lint_task import names_target
from unconceal.specs.paraphrases import Paraphrases
from unconceal.specs.spec import Mistake
from unconceal.specs.task import Task

SEED = 0


def lint_paraphrases(paraphrases: Paraphrases, tasks: Sequence[Task]) -> Iterator[Mistake]:
    """Too few prompts for a task, prompts that do not name its target, retain prompts that do, and names of unknown tasks."""
    for name in sorted(paraphrases.names.keys() - {task.id for task in tasks}):
        yield Mistake("paraphrases.unknown-task", ("names", name), f"task {name!r}", "does not exist in the suite", "remove it")
    for task in tasks:
        try:
            forget = paraphrase(paraphrases, task, SEED, len(task.forget))
            retain = [prompt.text for prompt in paraphrase_retained(paraphrases, task, SEED)]
        except CheckFailed as error:
            yield Mistake(error.code, ("generators",), f"{task.id}: {error.value}", error.consequence, error.remedy)
            continue
        for text in (text for text in forget if not names_target(task, text)):
            consequence = f"calls {task.id} by no name or alias"
            yield Mistake("paraphrases.no-concept", ("categories", task.category), repr(text), consequence, "correct `names`")
        for text in (text for text in retain if names_target(task, text)):
            yield Mistake("paraphrases.names-target", ("retained",), repr(text), f"asks for the target of {task.id}", "use other words")
