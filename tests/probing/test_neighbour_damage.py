"""Gate and damage of neighbours from what CLIP saw, against arithmetic done here."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from unconceal.metrics.kid import kid_per_prompt
from unconceal.probing.neighbour_damage import ClipReadings, neighbour_damages
from unconceal.probing.probe_images import ClipAnswers
from unconceal.specs.suite import Probing
from unconceal.specs.task import NeighbourPrompts

RULES = Probing(gate_seeds=2, seeds=2, min_kid_images=6)
SHOWN = [NeighbourPrompts(concept=name, head="subject", caption=f"a {name}", prompts=("x", "y", "z")) for name in ("ring", "leaf")]
RNG = np.random.default_rng(0)
FEATURES: NDArray[np.float64] = RNG.normal(size=(3, 2, 3, 2, 8))
"""Of gate, θ and θ*: two neighbours, three prompts, two seeds."""


def looked(part: int, similarity: float, hits: list[list[int]]) -> ClipAnswers:
    """Both neighbours alike; ``hits``: three prompts × two seeds."""
    table = np.array([hits, hits], float)
    return ClipAnswers(np.full(table.shape, similarity), table, FEATURES[part])


ALL, HALF = [[1, 1]] * 3, [[1, 0], [0, 1], [1, 1]]
SEEN = ClipReadings(looked(0, 0.3, HALF), looked(1, 0.4, ALL), looked(2, 0.15, HALF))


def test_damages_are_falls_from_the_original_and_kid_against_its_gate() -> None:
    ring, leaf = neighbour_damages(SHOWN, SEEN, RULES)
    assert ring.gate_accuracy.value == pytest.approx(4 / 6) and ring.eligible and ring.concept == "ring"
    assert ring.damage["clip"].value == pytest.approx(0.25) and ring.per_prompt["clip"] == pytest.approx((0.25,) * 3)
    assert ring.per_prompt["accuracy"] == pytest.approx((0.5, 0.5, 0)) and ring.damage["accuracy"].value == pytest.approx(1 / 3)
    assert leaf.per_prompt["kid"] == pytest.approx(kid_per_prompt(FEATURES[0, 1], FEATURES[2, 1]))


def test_the_gate_is_the_suites() -> None:
    strict = RULES.model_copy(update={"min_gate_accuracy": 0.7})
    assert not any(item.eligible for item in neighbour_damages(SHOWN, SEEN, strict))


def test_too_few_pictures_give_no_kid_and_say_so() -> None:
    (ring, _) = neighbour_damages(SHOWN, SEEN, RULES.model_copy(update={"min_kid_images": 7}))
    assert ring.damage["kid"].value is None and "at least 7 images" in ring.damage["kid"].note and "kid" not in ring.per_prompt


def test_a_picture_without_a_number_leaves_its_measure_out() -> None:
    broken = np.array(SEEN.unlearned.similarity)
    broken[0, 1, 0] = float("nan")
    ring, leaf = neighbour_damages(SHOWN, SEEN._replace(unlearned=ClipAnswers(broken, SEEN.unlearned.hits, SEEN.unlearned.features)), RULES)
    assert ring.damage["clip"].value is None and ring.damage["clip"].note and "clip" not in ring.per_prompt
    assert ring.damage["accuracy"].value is not None and leaf.damage["clip"].value == pytest.approx(0.25)
