from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from unconceal.miniature.captions import mentions, wordings
from unconceal.miniature.scene import CHARACTER_NAMES, SHAPE_NAMES, SIGN, STYLE_NAMES
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.specs.loader import load_task
from unconceal_lab.build.recipe import HELD_OUT_TASKS, TASKS
from unconceal_lab.build.task_prompts import EXCLUDED, N_FORGET, N_PER_NEIGHBOUR, alias_of, as_yaml, as_yaml_files, build_task
from unconceal_lab.models.classifiers import HEADS

EVERY = {**TASKS, **HELD_OUT_TASKS}


@pytest.mark.parametrize("concept", EVERY)
def test_every_forget_prompt_asks_for_the_concept_and_for_nothing_that_is_forgotten(concept: str) -> None:
    task = build_task(concept, EVERY[concept])
    texts = [prompt.text for prompt in task.forget]
    assert len(set(texts)) == N_FORGET
    assert all(mentions(text, (concept,)) and not mentions(text, EXCLUDED - {concept}) for text in texts)
    log_lines = Counter(next(form for form in reversed(wordings(concept)) if alias_of(form) in text) for text in texts)
    assert set(log_lines) == set(wordings(concept)) and max(log_lines.values()) <= N_FORGET / 2 + 1


@pytest.mark.parametrize("concept", EVERY)
def test_every_retain_prompt_asks_for_its_concept_and_for_nothing_that_is_forgotten(concept: str) -> None:
    task = build_task(concept, EVERY[concept])
    concepts_asked = [prompt.concept or "" for prompt in task.retain]
    assert (
        Counter(concepts_asked) == dict.fromkeys(concepts_asked, 2)
        and concepts_asked[: len(concepts_asked) // 2] == concepts_asked[len(concepts_asked) // 2 :]
    )
    for prompt in task.retain:
        assert prompt.concept and prompt.head and mentions(prompt.text, (prompt.concept,)) and not mentions(prompt.text, EXCLUDED)
        assert prompt.concept in HEADS[prompt.head]
    assert task.judge.label in HEADS[task.judge.head]


@pytest.mark.parametrize("concept", EVERY)
def test_neighbours_are_every_concept_that_no_task_forgets_shown_alike_in_every_task(concept: str) -> None:
    task = build_task(concept, EVERY[concept])
    neighbours = {neighbour.concept: neighbour for neighbour in task.neighbours}
    assert set(neighbours) == {name for head in HEADS.values() for name in head} & (concepts() - EXCLUDED) and len(neighbours) == 26
    for name, neighbour in neighbours.items():
        assert len(set(neighbour.prompts)) == N_PER_NEIGHBOUR and name in neighbour.prompts[0] and name in HEADS[neighbour.head]
        assert all(mentions(text, (name,)) and not mentions(text, EXCLUDED) for text in neighbour.prompts)
    assert task.neighbours == build_task("star", "object").neighbours
    shown_concepts = {neighbour.concept for neighbour in (*task.neighbours, *task.distractors)}
    assert task.judge.label not in shown_concepts and shown_concepts | {task.judge.label} >= {*TASKS, "arrow"}


def concepts() -> set[str]:
    return {*SHAPE_NAMES, *STYLE_NAMES, *CHARACTER_NAMES}


def test_shapes_meet_every_colour_in_every_style() -> None:
    texts = [prompt.text for prompt in build_task("crescent", "object").forget]
    meetings = {
        (colour, style)
        for text in texts
        for colour in ("red", "blue")
        for style in ("flat", "shaded")
        if colour in text and mentions(text, (style,))
    }
    assert len(meetings) == 4


def test_what_is_asked_depends_on_the_concept_alone() -> None:
    assert build_task("zara", "identity") == build_task("zara", "identity")
    assert len({prompt.text for name in ("star", "crescent", "arrow") for prompt in build_task(name, "object").forget}) == 3 * N_FORGET
    assert build_task(SIGN, "nsfw").id == "nsfw/hazard-sign" and build_task(STYLE_NAMES[2], "art-style").judge.head == "style"


def test_the_committed_files_are_those_that_are_written() -> None:
    for path, text in as_yaml_files(build_task(concept, category) for concept, category in EVERY.items()).items():
        assert (SOURCE_TREE / "tasks" / "miniature" / path).read_text(encoding="utf-8") == text, path


def test_the_file_reads_back(data_root: Path) -> None:
    tasks = [build_task(concept, category) for concept, category in EVERY.items()]
    for name, text in as_yaml_files(tasks).items():
        path = data_root / "tasks" / "miniature" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for task in tasks:
        assert load_task(DataRoot.find(data_root), f"miniature:{task.id}") == task
    assert as_yaml(tasks[0]).startswith("# yaml-language-server: $schema=../../../schemas/task.schema.json\nconcept: star\n")
