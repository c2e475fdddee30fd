from __future__ import annotations

import json
from dataclasses import asdict

from unconceal.miniature.building.recipe import GOLDS, TASKS, Recipe
from unconceal.miniature.world import HELD_OUT, SHAPE_NAMES, STYLE_NAMES, TARGETS


def test_tasks_forget_concepts_that_the_ancestor_never_saw() -> None:
    assert set(TASKS) <= set(TARGETS) and not set(TASKS) & set(HELD_OUT)
    for concept, category in TASKS.items():
        assert category == ("art-style" if concept in STYLE_NAMES else "object") and concept in (*SHAPE_NAMES, *STYLE_NAMES)
    assert len(GOLDS) >= 3


def test_every_training_has_its_own_seed() -> None:
    recipe = Recipe()
    first = [recipe.base_seed, *(recipe.gold_seed + 10 * place + number for place in range(len(TASKS)) for number in GOLDS)]
    rounds = [seed + 100 * number for seed in first for number in range(len(recipe.continuation))]
    others = [how.seed for how in (recipe.vae, recipe.truth, *recipe.extractors.values(), *recipe.clip, recipe.ancestor)]
    assert len({*rounds, *others, recipe.scratch_seed}) == len(rounds) + len(others) + 1
    assert recipe.pictures_seed != recipe.held_out_seed and recipe.softened <= recipe.pictures


def test_it_is_told_as_json() -> None:
    told = json.loads(json.dumps(asdict(Recipe())))
    assert told["extractors"]["resnet18"]["steps"] == Recipe().extractors["resnet18"].steps and told["ancestor"]["batch"] == 96
