"""Prompts that a task only refers to, read from their data set when they are needed; they are written nowhere."""

from __future__ import annotations

import csv
from pathlib import Path

from huggingface_hub import hf_hub_download

from unconceal.errors import CheckFailed
from unconceal.hub.hub_client import translate_errors
from unconceal.specs.prompt_set import PromptSet
from unconceal.specs.task import Prompt, Task


def with_dataset_prompts(task: Task, endpoint: str | None = None) -> Task:
    """The task with the prompts of its data set after its own; as it is where it refers to none.

    Raises:
        CheckFailed: the reference is a draft, or the data set holds fewer prompts than it says.
        EnvironmentFault: the Hub is not reached.
    """
    if task.forget_from is None:
        return task
    said = load_prompts(task.forget_from, endpoint)
    return task.model_copy(update={"forget": (*task.forget, *(Prompt(text=text) for text in said)), "forget_from": None})


def load_prompts(wanted: PromptSet, endpoint: str | None = None) -> list[str]:
    """The prompts themselves."""
    value = f"{wanted.dataset}@{wanted.revision[:12]} {wanted.file}"
    if wanted.is_draft:
        raise CheckFailed(
            "hub.not-pinned", value, "is a draft: the name may mean other prompts tomorrow", "give the commit of the data set"
        )
    with translate_errors(value):
        path = hf_hub_download(wanted.dataset, wanted.file, repo_type="dataset", revision=wanted.revision, endpoint=endpoint)
    with Path(path).open(encoding="utf-8", newline="") as table:
        found = wanted.select(csv.DictReader(table))
    if len(found) < wanted.n_prompts:
        consequence = f"holds {len(found)} prompts that fit, the task counts on {wanted.n_prompts}"
        raise CheckFailed("dataset.too-few-prompts", value, consequence, "correct `where` or `count`")
    return found
