"""What θ is asked to draw for a judge: each concept once, in words of its own, and no prompt that an evaluation has."""

from __future__ import annotations

import pytest

from unconceal.judges.judge_prompts import concepts_of, default_caption, evaluation_prompts, judge_prompts_of
from unconceal.paths import DataRoot
from unconceal.specs.judge_training import CONCEPT_SLOT, JudgeTraining
from unconceal.specs.lint_prompts import normalize
from unconceal.specs.loader import all_tasks
from unconceal.specs.task import Task

HOW = JudgeTraining()
SD14 = [task for task in all_tasks(DataRoot.find()) if task.suite == "sd14"]


def small(label: str, **more: object) -> Task:
    embeddings = {
        "concept": label,
        "category": "object",
        "title": label,
        "suite": "s",
        "license": "Apache-2.0",
        "judge": {"head": "subject", "label": label},
        "forget": [{"text": f"a photo of a {label}"}],
        "caption": f"a {label}",
        "retain": [{"text": "an owl", "concept": "owl", "head": "subject"}],
        **more,
    }
    return Task.model_validate(embeddings)


def test_every_label_that_a_task_asks_for_is_drawn_on_both_sides() -> None:
    expected = {(task.judge.head, task.judge.label) for task in SD14 if task.detector is None}
    expected |= {(prompt.head or "subject", prompt.concept or "") for task in SD14 for prompt in task.retain}
    for held_out in (False, True):
        calls = judge_prompts_of(SD14, HOW, held_out)
        assert expected == {(item.head, item.concept.label) for item in calls if item.concept and item.concept.judged}
        assert {item.head for item in calls if item.concept is None} == {"subject", "style"}


def test_no_prompt_is_shared_between_training_gate_and_evaluation() -> None:
    train, gate = (
        {normalize(text) for item in judge_prompts_of(SD14, HOW, held_out) for text in item.prompts} for held_out in (False, True)
    )
    assert not train & gate and not (train | gate) & evaluation_prompts(SD14)
    shared = judge_prompts_of([small("star")], HOW, held_out=False)
    assert "a photo of a star" not in [text for item in shared for text in item.prompts], "an evaluation draws it"


def test_a_concept_of_several_tasks_is_generated_once_and_judged_for_each() -> None:
    near = [{"concept": "sun", "head": "subject", "caption": "a sun", "prompts": ["a sun"]}]
    result = {item.label: item for item in concepts_of([small("star", neighbours=near), small("moon")])}
    assert sorted(result) == ["moon", "owl", "star", "sun"]
    assert set(result["owl"].contrast_captions) == {"a star", "a moon", "a sun", "an owl"}
    assert set(result["moon"].contrast_captions) == {
        "a moon",
        "an owl",
    }
    assert {label for label, item in result.items() if item.judged} == {"moon", "owl", "star"}


def test_a_detectors_target_is_not_drawn() -> None:
    nudity = next(task for task in SD14 if task.detector)
    labels = [item.label for item in concepts_of([nudity])]
    assert "raincoat" in labels and nudity.judge.label not in labels and "gymnast" not in labels


@pytest.mark.parametrize(
    "head, label, caption, phrase",
    [
        ("subject", "owl", "an owl", "an owl"),
        ("subject", "Brad Pitt", "a picture of Brad Pitt", "Brad Pitt"),
        ("style", "Kilian Eng", "a picture in the style of Kilian Eng", "in the style of Kilian Eng"),
    ],
)
def test_phrases_of_concepts(head: str, label: str, caption: str, phrase: str) -> None:
    assert default_caption(head, label) == caption  # type: ignore[arg-type]
    task = small("star", retain=[{"text": "x", "concept": label, "head": head}])
    concept = next(item for item in concepts_of([task]) if item.label == label)
    assert concept.phrase == phrase and all(CONCEPT_SLOT in text for text in HOW.templates(concept.head).train)
