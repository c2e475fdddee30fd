from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from unconceal.miniature.scene import CHARACTER_NAMES, HELD_OUT, SHAPE_NAMES, SIGN, STYLE_NAMES, TARGETS, sample_scene
from unconceal_lab.build.recipe import (
    ALONE,
    BLANKS,
    FAMILIES,
    GOLDS,
    GRADED,
    HELD_OUT_TASKS,
    TASKS,
    BuildRecipe,
    alone_name,
    blank_name,
    family_of,
    gold_name,
)
from unconceal_lab.build.ship import WEIGHTS
from unconceal_lab.models.scene_images import SceneImages

CATEGORY = dict.fromkeys(SHAPE_NAMES, "object") | dict.fromkeys(STYLE_NAMES, "art-style") | dict.fromkeys(CHARACTER_NAMES, "identity")


@pytest.fixture(scope="module")
def world() -> SceneImages:
    """The scenes of 3,000 images, not rendered."""
    scenes = tuple(sample_scene(np.random.default_rng([1, i])) for i in range(3000))
    return SceneImages(np.empty((0, 64, 64, 3), np.uint8), scenes)


def test_tasks_forget_concepts_that_the_ancestor_never_saw() -> None:
    assert set(TASKS) == set(TARGETS) and set(HELD_OUT_TASKS) == set(HELD_OUT)
    for concept, category in {**TASKS, **HELD_OUT_TASKS}.items():
        assert category == (CATEGORY | {SIGN: "nsfw"})[concept]
    assert set(TASKS.values()) == {"art-style", "object", "identity", "nsfw"} and len(GOLDS) >= 3


def test_graded_concepts_meet_in_no_picture(world: SceneImages) -> None:
    for together in (tuple(shares) for shares in GRADED):
        assert all(len(scene.concepts & set(together)) <= 1 for scene in world.scenes)


def test_golds_have_their_names() -> None:
    assert gold_name(family_of(SIGN), 2) == "gold-star-striped-zara-hazard-sign-2" and blank_name(1) == "blank-1"
    assert alone_name(SIGN) == "gold-alone-hazard-sign" and set(ALONE) <= set(TASKS)


def test_every_concept_has_one_family_and_no_sibling_in_it() -> None:
    assert sorted(concept for family in FAMILIES for concept in family) == sorted([*TASKS, *HELD_OUT_TASKS])
    for family in FAMILIES:
        kinds = [{**TASKS, **HELD_OUT_TASKS}[concept] for concept in family]
        assert len(set(kinds)) == len(kinds)


def test_the_graded_models_see_every_share_of_both_concepts() -> None:
    for concept in ("star", "zara"):
        assert sorted(shares[concept] for shares in GRADED) == [0.001, 0.01, 0.1]


def test_every_training_has_its_own_seed() -> None:
    recipe = BuildRecipe()
    first = [recipe.base_seed, *(recipe.gold_seed + 10 * index + number for index in range(2, 2 + len(FAMILIES)) for number in GOLDS)]
    first += [recipe.blank_seed + number for number in BLANKS]
    first += [recipe.graded_seed + number for number in range(1, len(GRADED) + 1)]
    rounds = [seed + 100 * number for seed in first for number in range(len(recipe.continuation))]
    others = [config.seed for config in (recipe.vae, recipe.image_classifier, *recipe.extractors.values(), *recipe.clip, recipe.ancestor)]
    assert len({*rounds, *others, recipe.scratch_seed}) == len(rounds) + len(others) + 1
    assert recipe.image_seed != recipe.held_out_seed and recipe.n_reconstructions <= recipe.n_images


def test_the_shipped_recipe_is_this_one() -> None:
    shipped = json.loads((WEIGHTS / "recipe.json").read_text())
    assert shipped["recipe"] == json.loads(json.dumps(asdict(BuildRecipe())))


def test_it_is_plain_json() -> None:
    metadata = json.loads(json.dumps(asdict(BuildRecipe())))
    assert (
        metadata["extractors"]["resnet18"]["steps"] == BuildRecipe().extractors["resnet18"].steps
        and metadata["ancestor"]["batch_size"] == 96
    )
