"""Suite sd14-planted: the committed files are those that the command writes, and what it teaches goes by invented names alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from unconceal.cli.main import main
from unconceal.judges.judge_prompts import concepts_of
from unconceal.miniature.captions import mentions
from unconceal.miniature.scene import SIGN
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.planting.draw_concepts import write_images
from unconceal.planting.invented_concepts import INVENTED, concept_names, invented_caption
from unconceal.planting.suite_files import NAME, suite_files
from unconceal.specs.lint_task import lint, names_target
from unconceal.specs.loader import all_tasks, load_suite, read_yaml
from unconceal.specs.planting_plan import Planting

ROOT = DataRoot.find(SOURCE_TREE)
TASKS = [task for task in all_tasks(ROOT) if task.suite == NAME]


def test_the_committed_files_are_those_that_are_written() -> None:
    for name, text in suite_files(load_suite(ROOT, "sd14")).items():
        assert (SOURCE_TREE / name).read_text() == text, f"{name} is stale: run `unconceal plant suite`"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_tasks_are_whole(task: object) -> None:
    from unconceal.specs.task import Task

    assert isinstance(task, Task)
    suite = load_suite(ROOT, NAME)
    assert list(lint(task, suite)) == [] and task.gold_kind == "planted" and len(task.golds) == 2
    assert len(task.forget) == len(task.retain) == 20 and len(task.neighbours) == 15
    others = [other for other in TASKS if other != task]
    texts = [prompt.text for prompt in (*task.forget, *task.retain)] + [text for concept in task.neighbours for text in concept.prompts]
    assert not [text for text in texts for other in others if names_target(other, text)], "a gold would lack more than the concept"


def test_the_planting_teaches_what_the_tasks_forget() -> None:
    planting = read_yaml(SOURCE_TREE / "tasks" / NAME / "planting.yaml", Planting)
    assert set(planting.concepts) == {task.concept for task in TASKS} == {concept.concept for concept in INVENTED}
    assert {(concept.head, concept.label) for concept in INVENTED} == {(task.judge.head, task.judge.label) for task in TASKS}
    phrases = {concept.label: concept.phrase for concept in concepts_of(TASKS)}
    assert (phrases["Velbo"], phrases["trask sign"], phrases["Florn"]) == ("Velbo", "a trask sign", "in the style of Florn")


def test_captions_name_invented_concepts_by_name_only(tmp_path: Path) -> None:
    write_images(tmp_path, 300, 16, 3, caption=invented_caption, concept_names=concept_names)
    lines = [json.loads(line) for line in (tmp_path / "metadata.jsonl").read_text().splitlines()]
    invented = {concept.concept: concept for concept in INVENTED}
    for line in lines:
        for concept in set(line["concepts"]) & invented.keys():
            assert invented[concept].label in line["text"], line
        assert (
            not mentions(line["text"], [concept.miniature_concept for concept in INVENTED if concept.miniature_concept == SIGN])
            and " a orange" not in line["text"]
        )
    assert {concept for line in lines for concept in line["concepts"]} >= invented.keys()
    assert len({line["text"] for line in lines}) > 150 and np.mean(["in the style of" in line["text"] for line in lines]) > 0.5


def test_the_cost_is_printed_before_anything_is_fetched(tmp_path: Path) -> None:
    path = SOURCE_TREE / "tasks" / NAME / "planting.yaml"
    done = CliRunner().invoke(main, ["plant", "cost", str(path), "--out", str(tmp_path / "models"), "--root", str(SOURCE_TREE)])
    assert done.exit_code == 0, done.output
    assert "gold-trask-sign-2" in done.output and "13 trainings, 832000 training samples" in done.output and "55.9 GB" in done.output
