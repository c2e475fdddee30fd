"""Reads the prompts that a task refers to from their dataset. They are stored in no file of this project."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import hf_hub_download

from unconceal.errors import CheckFailed
from unconceal.files import read_regular_file
from unconceal.hub.hub_client import translate_errors
from unconceal.specs.prompt_set import PromptSet
from unconceal.specs.task import Prompt, Task

MAX_TABLE_BYTES = 64 * 2**20
"""Limit of a table of prompts."""


def with_dataset_prompts(task: Task, endpoint: str | None = None) -> Task:
    """The task with the prompts of its dataset appended; unchanged if it refers to none.

    Raises:
        CheckFailed: the reference is a draft, or the dataset has fewer matching prompts than ``n_prompts``.
        EnvironmentFault: the Hub cannot be reached.
    """
    if task.forget_from is None:
        return task
    texts = load_prompts(task.forget_from, endpoint)
    return task.model_copy(update={"forget": (*task.forget, *(Prompt(text=text) for text in texts)), "forget_from": None})


def load_prompts(prompt_set: PromptSet, endpoint: str | None = None) -> list[str]:
    """Download a dataset and select its prompts."""
    prompts = prompt_set.select(read_rows(prompt_set, endpoint))
    if len(prompts) < prompt_set.n_prompts:
        consequence = f"holds {len(prompts)} prompts that fit, the task counts on {prompt_set.n_prompts}"
        raise CheckFailed("dataset.too-few-prompts", _title(prompt_set), consequence, "correct `where` or `n_prompts`")
    return prompts


def load_reserve(task: Task, endpoint: str | None = None) -> list[str]:
    """Prompts of the task's dataset that match and that the task does not use; empty if it refers to none."""
    return task.forget_from.reserve(read_rows(task.forget_from, endpoint)) if task.forget_from else []


def read_rows(prompt_set: PromptSet, endpoint: str | None = None) -> Iterator[dict[str, str]]:
    """Download a dataset and read its table.

    Raises:
        CheckFailed: the reference is a draft.
        EnvironmentFault: the Hub cannot be reached.
    """
    if prompt_set.is_draft:
        consequence = "is a draft: the name may mean other prompts tomorrow"
        raise CheckFailed("hub.not-pinned", _title(prompt_set), consequence, "give the commit of the dataset")
    with translate_errors(_title(prompt_set)):
        path = hf_hub_download(prompt_set.dataset, prompt_set.file, repo_type="dataset", revision=prompt_set.revision, endpoint=endpoint)
    yield from table_rows(Path(path), _title(prompt_set))


def table_rows(path: Path, source: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV table, with or without a byte order mark.

    Raises:
        CheckFailed: it is larger than any list of prompts, no UTF-8 text, or a row has more or fewer cells than the header.
    """
    remedy = "name another file of the dataset, or an older commit"
    try:
        text = read_regular_file(path, MAX_TABLE_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "is no UTF-8 text" if isinstance(error, UnicodeDecodeError) else f"cannot be read ({error.strerror})"
        raise CheckFailed("dataset.unreadable", source, reason, remedy) from error
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in rows:
            if None in row or None in row.values():
                consequence = f"line {rows.line_num} has not as many cells as the header"
                raise CheckFailed("dataset.unreadable", source, consequence, remedy)
            yield row
    except csv.Error as error:
        raise CheckFailed("dataset.unreadable", source, f"is no CSV in line {rows.line_num} ({error})", remedy) from error


def _title(prompt_set: PromptSet) -> str:
    return f"{prompt_set.dataset}@{prompt_set.revision[:12]} {prompt_set.file}"
