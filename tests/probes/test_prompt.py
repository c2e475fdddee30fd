"""The prompt: what it says, that its hash is of what is printed, and that its schema is what answers are read by."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from probes.answers import question
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.probes.prompt import PROMPT_VERSION, build_question
from unconceal.specs.elicitation import Answer, Attack, Neighbour
from unconceal.specs.loader import all_tasks, load_task
from unconceal.specs.task import NeighbourPrompts

PINNED = (1, "3660834b58725e2b3d6113dcc3fd073e6ed3f3ce51cced33d7fd94afede2d5ef")
"""Version and digest of the prompt about the small task: whoever changes the words raises the version."""


def test_the_prompt_says_what_the_task_says(data_root: Path) -> None:
    prompt = question(data_root)
    for part in (
        "Target: star\n",
        "Also called: five-pointed figure\n",
        "Kind: object\n",
        "- a star number 0\n",
        "- ring: a thing called ring\n",
    ):
        assert part in prompt.text
    assert prompt.names == ("star", "five-pointed figure") and len(prompt.candidates) == 12 and "up to 8 further" in prompt.text
    assert prompt.text.endswith(json.dumps(prompt.schema) + "\n")


def test_neighbours_are_listed_before_what_the_retain_prompts_show(data_root: Path) -> None:
    task = load_task(DataRoot.find(data_root), "object/star")
    neighbours = [NeighbourPrompts(concept=name, head="subject", caption=name, prompts=(f"one {name}", name)) for name in ("sun", "moon")]
    prompt = build_question(task.model_copy(update={"neighbours": tuple(neighbours)}))
    assert prompt.candidates == ("moon", "sun") and "- moon: one moon\n- sun: one sun\n" in prompt.text


def test_its_hash_is_of_the_printed_text(data_root: Path) -> None:
    prompt = question(data_root)
    assert prompt.digest == hashlib.sha256(prompt.text.encode()).hexdigest()
    task = load_task(DataRoot.find(data_root), "object/star")
    assert build_question(task.model_copy(update={"aliases": ()})).digest != prompt.digest


def test_whoever_changes_the_prompt_raises_its_version(data_root: Path) -> None:
    assert (PROMPT_VERSION, question(data_root).digest) == PINNED


def test_the_schema_asks_for_what_is_read(data_root: Path) -> None:
    schema = question(data_root).schema
    for model, part in (
        (Answer, schema),
        (Neighbour, schema["properties"]["neighbours"]["items"]),
        (Attack, schema["properties"]["attacks"]["items"]),
    ):
        model_schema = model.model_json_schema()
        assert list(part["properties"]) == list(model_schema["properties"]) == part["required"] and part["additionalProperties"] is False
        for name, field in part["properties"].items():
            for bound in ("maxLength", "minLength", "maximum", "minimum", "enum"):
                assert field.get(bound) == model_schema["properties"][name].get(bound), (name, bound)
            assert field.get("maxItems", 0) <= model_schema["properties"][name].get("maxItems", 0)


@pytest.mark.parametrize("task", [task.id for task in all_tasks(DataRoot.find(SOURCE_TREE))])
def test_every_committed_task_can_be_asked_about(task: str) -> None:
    prompt = build_question(load_task(DataRoot.find(SOURCE_TREE), task))
    assert len(prompt.candidates) >= 8 and not set(prompt.names) & set(prompt.candidates)
