from __future__ import annotations

from collections import Counter

import pytest

from codes import raises
from unconceal.miniature.captions import CHARACTER_WORDINGS, SHAPE_WORDINGS, SIGN_WORDINGS, STYLE_WORDINGS, mentions
from unconceal.miniature.scene import AMBIGUOUS, HELD_OUT, TARGETS
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.rerun.paraphrase import draw_prompts, paraphrase, paraphrase_retained, published_texts, target_names
from unconceal.specs.lint_task import names_target
from unconceal.specs.loader import all_tasks, load_paraphrases
from unconceal.specs.paraphrases import PromptGenerator
from unconceal.specs.task import Task

ROOT = DataRoot.find(SOURCE_TREE)
TASKS = {f"{task.suite}:{task.id}": task for task in all_tasks(ROOT)}
PARAPHRASES = {suite: load_paraphrases(ROOT, suite) for suite in sorted({task.suite for task in TASKS.values()})}
DRAWN = [name for name, task in TASKS.items() if task.forget]
COLOURS = PromptGenerator(templates=("a {colour} {concept}",), slots={"colour": ("red", "blue", "green")})


def draw(task: Task, seed: int = 7, n: int | None = None) -> tuple[str, ...]:
    paraphrases = PARAPHRASES[task.suite]
    assert paraphrases is not None
    return paraphrase(paraphrases, task, seed, n or len(task.forget))


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_prompts_are_new_distinct_and_name_the_target(name: str) -> None:
    task = TASKS[name]
    texts = draw(task)
    assert len(set(texts)) == len(texts) == len(task.forget) and not published_texts(task).intersection(texts)
    assert all(names_target(task, text) for text in texts)


@pytest.mark.parametrize("name", DRAWN)
def test_names_are_balanced(name: str) -> None:
    task = TASKS[name]
    paraphrases = PARAPHRASES[task.suite]
    assert paraphrases is not None
    generator = paraphrases.generators[paraphrases.categories[task.category]]
    name_of = {text: name for name, texts in generator.prompts(target_names(paraphrases, task)) for text in texts}
    counts = Counter(name_of[text] for text in draw(task))
    assert len(counts) == len(target_names(paraphrases, task)) and max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("name", TASKS)
def test_retained_prompts_are_new_and_keep_their_concepts(name: str) -> None:
    task = TASKS[name]
    paraphrases = PARAPHRASES[task.suite]
    assert paraphrases is not None
    retain = paraphrase_retained(paraphrases, task, 7)
    assert [(prompt.head, prompt.concept) for prompt in retain] == [(prompt.head, prompt.concept) for prompt in task.retain]
    texts = {prompt.text for prompt in retain}
    assert len(texts) == len(task.retain) and not published_texts(task).intersection(texts)
    assert not any(names_target(task, text) for text in texts)


@pytest.mark.parametrize("name", [name for name in TASKS if name.startswith("miniature:")])
def test_prompts_of_the_miniature_are_in_its_world(name: str) -> None:
    """Its words alone, and no concept of another task."""
    forms = [
        *SIGN_WORDINGS,
        *(form for table in (SHAPE_WORDINGS, STYLE_WORDINGS, CHARACTER_WORDINGS) for row in table.values() for form in row),
    ]
    others = ("red orange yellow green blue purple white black gray", "a picture of", "a drawing of", "on a background,", "with")
    world = {word.strip(",") for form in (*forms, *others) for word in form.split()}
    task = TASKS[name]
    paraphrases = PARAPHRASES["miniature"]
    assert paraphrases is not None
    concepts = {*TARGETS, *HELD_OUT, *AMBIGUOUS}
    for text in draw(task):
        assert {word.strip(",") for word in text.split()} <= world, text
        assert not mentions(text, concepts - {task.judge.label}), text
    assert not any(mentions(prompt.text, concepts) for prompt in paraphrase_retained(paraphrases, task, 7))


def test_a_draw_depends_on_its_seed_alone() -> None:
    task = TASKS["miniature:object/star"]
    assert draw(task) == draw(task) and draw(task, n=5) == draw(task)[:5]
    assert len({draw(task, seed) for seed in range(20)}) == 20


def test_a_category_without_a_generator_draws_nothing() -> None:
    """Prompts for nudity stay in their dataset."""
    assert draw(TASKS["sd14:nsfw/nudity"], n=20) == ()


def test_too_few_paraphrases() -> None:
    assert len(draw_prompts(COLOURS, ("star",), 7, 3)) == 3
    with raises("paraphrases.too-few"):
        draw_prompts(COLOURS, ("star",), 7, 3, excluded={"a red star"})
