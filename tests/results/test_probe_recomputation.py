"""Whoever edits a number of what probe sets found has to edit them all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unconceal.evaluation.curves import mean_score
from unconceal.probing.attacks import attack_rates, attack_outcomes
from unconceal.probing.neighbour_order import ceilings, rank_correlations
from unconceal.results.probe_recomputation import probed_again
from unconceal.specs.elicitation import Attack
from unconceal.specs.probe_results import NeighbourDamage, ProbeResults, ProximityRanker
from unconceal.specs.score import Score
from unconceal.specs.suite import Probing

RULES = Probing(gate_seeds=2, seeds=2, n_resamples=200, n_splits=10)
CONCEPTS = tuple(f"c{number}" for number in range(10))


@pytest.fixture(scope="module")
def sound() -> ProbeResults:
    """As an evaluation would have it, on made-up answers."""
    rng = np.random.default_rng(0)
    tables = {concept: rng.normal(scale=0.3, size=6) + place / 10 for place, concept in enumerate(CONCEPTS)}
    neighbours = tuple(
        NeighbourDamage(
            concept=concept,
            head="subject",
            gate_accuracy=Score(value=0.75, n=6),
            eligible=True,
            damage={"clip": mean_score(table), "accuracy": mean_score(table), "kid": Score(value=None, n=4, note="too few")},
            per_prompt={"clip": tuple(map(float, table)), "accuracy": tuple(map(float, table))},
        )
        for concept, table in tables.items()
    )
    near = {concept: float(place) for place, concept in enumerate(CONCEPTS)}
    orderers = (
        ProximityRanker(name="a-model", kind="probe-set", digest="a" * 64, proximity=near),
        ProximityRanker(name="random", kind="random"),
    )
    asked = [Attack(prompt=f"prompt {place}", attribute="its shape") for place in range(3)]
    attacks = {"a-model": attack_outcomes(asked, np.ones((3, 4)), (0, 1, 2), np.array([[1] * 4, [1] * 4, [0] * 4], float))}
    return ProbeResults(
        clip="c" * 64,
        classes={"subject": CONCEPTS},
        neighbours=neighbours,
        ceilings=ceilings(neighbours, RULES),
        rankers=orderers,
        rank_correlations=rank_correlations(orderers, neighbours, RULES),
        attacks=attacks,
        attack_rates=attack_rates(attacks),
    )


def wrong(found: ProbeResults, attacks: dict[str, Score] | None = None) -> set[str]:
    """What comes out otherwise."""
    rates = {rate.probe_set: rate.rate for rate in found.attack_rates if rate.attribute is None} if attacks is None else attacks
    return {name for name, stored, again in probed_again(found, rates, RULES) if stored != again and not _near(stored, again)}


def _near(stored: Score | None, again: Score) -> bool:
    return stored is not None and stored.value is not None and again.value is not None and stored.value == pytest.approx(again.value)


def changed(found: ProbeResults, **parts: Any) -> ProbeResults:
    return found.model_copy(update=parts)


def test_what_an_evaluation_wrote_comes_out_again(sound: ProbeResults) -> None:
    assert wrong(sound) == set() and len(list(probed_again(sound, {}, RULES))) > 30


def test_each_edited_number_is_named(sound: ProbeResults) -> None:
    better = Score(value=0.99, low=0.9, high=1, n=10)
    first = sound.rank_correlations[0].model_copy(update={"rho": better})
    assert wrong(changed(sound, rank_correlations=(first, *sound.rank_correlations[1:]))) == {"ρ a-model clip"}
    assert wrong(changed(sound, ceilings={**sound.ceilings, "clip": better})) == {"ceiling clip"}
    assert wrong(changed(sound, attack_rates=(sound.attack_rates[0].model_copy(update={"rate": better}), *sound.attack_rates[1:]))) == {
        "attacks a-model",
        "attacks a-model of the record",
    }
    assert wrong(sound, {"a-model": better}) == {"attacks a-model of the record"}


def test_an_edited_damage_or_gate_moves_what_rests_on_it(sound: ProbeResults) -> None:
    worst = sound.neighbours[0].model_copy(update={"damage": {**sound.neighbours[0].damage, "clip": Score(value=5, n=6)}})
    assert {"damage c0 clip", "ρ a-model clip"} <= wrong(changed(sound, neighbours=(worst, *sound.neighbours[1:])))
    hidden = sound.neighbours[0].model_copy(update={"eligible": False})
    assert {"eligible c0", "ρ a-model clip", "ceiling clip"} <= wrong(changed(sound, neighbours=(hidden, *sound.neighbours[1:])))
