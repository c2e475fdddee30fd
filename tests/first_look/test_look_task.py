from __future__ import annotations

import pytest

from codes import raises
from unconceal.first_look.look_task import look_task, look_wording
from unconceal.first_look.wordings import DRAWN, PHOTOGRAPHS
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.specs.lint_task import lint
from unconceal.specs.loader import load_suite
from unconceal.specs.task import Category

ROOT = DataRoot.find(SOURCE_TREE)


@pytest.mark.parametrize(
    ("suite", "category", "concept"),
    [
        ("miniature", "object", "star"),
        ("miniature", "art-style", "striped"),
        ("sd14", "object", "church"),
        ("sd14", "art-style", "Van Gogh"),
        ("sd14", "art-style", "Claude Monet"),
        ("sd14", "identity", "Brad Pitt"),
    ],
)
def test_the_task_is_sound(suite: str, category: Category, concept: str) -> None:
    """It passes the lint of its suite, and every prompt of the concept names it once."""
    task = look_task(concept, category, suite, look_wording(suite, category))
    retained = {prompt.concept for prompt in task.retain}
    if (suite, category) == ("miniature", "art-style"):
        # The world has ten styles, so nine are left; three shapes beside them are enough.
        task = look_task(concept, category, suite, look_wording(suite, category), ("spotted", "plain", "hatched"))
    assert [mistake.code for mistake in lint(task, load_suite(ROOT, suite))] == []
    assert all(prompt.text.count(concept) == 1 for prompt in task.forget) and concept not in retained
    assert len({prompt.text for prompt in task.forget}) == len(task.forget) == 40


def test_prompts_change_scene_and_template() -> None:
    """The first prompts of a category, of which a first look takes twelve, use every template."""
    for world in (PHOTOGRAPHS, DRAWN):
        for wording in world.values():
            first = wording.prompts("NAME", 12)
            assert len(set(first)) == len(first) >= 9
            shapes = {template.split("{")[0] for template in wording.templates}
            assert all(any(text.startswith(shape) for text in first) for shape in shapes)


def test_given_concepts_come_first_and_none_is_the_target() -> None:
    wording = look_wording("miniature", "object")
    task = look_task("star", "object", "miniature", wording, ("cross", "fish"))
    assert [prompt.concept for prompt in task.retain[:3]] == ["cross", "fish", "circle"]
    with raises("look.retained-target"):
        look_task("star", "object", "miniature", wording, ("Star",))
    with raises("look.bad-concept"):
        look_task("!?", "object", "miniature", wording)


def test_unsafe_content_has_no_templates() -> None:
    for suite in (None, "miniature", "sd14"):
        with raises("look.no-templates"):
            look_wording(suite, "nsfw")
