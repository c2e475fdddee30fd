"""An edited number among the probe results does not go unnoticed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from unconceal.evaluation.curves import mean_score
from unconceal.probing.attacks import attack_outcomes, attack_rates
from unconceal.probing.neighbour_order import ceilings, rank_correlations
from unconceal.results.probe_recomputation import recompute_probe_results
from unconceal.specs.elicitation import Attack
from unconceal.specs.probe_results import NeighbourDamage, ProbeResults, ProximityRanker
from unconceal.specs.score import Score
from unconceal.specs.suite import Probing

RULES = Probing(gate_seeds=2, seeds=2, n_resamples=200, n_splits=10)
CONCEPTS = tuple(f"c{number}" for number in range(10))


@pytest.fixture(scope="module")
def intact() -> ProbeResults:
    """Probe results as an evaluation writes them, on random data."""
    rng = np.random.default_rng(0)
    tables = {concept: rng.normal(scale=0.3, size=6) + index / 10 for index, concept in enumerate(CONCEPTS)}
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
    proximity = {concept: float(index) for index, concept in enumerate(CONCEPTS)}
    rankers = (
        ProximityRanker(name="a-model", kind="probe-set", digest="a" * 64, proximity=proximity),
        ProximityRanker(name="random", kind="random"),
    )
    attacks_made = [Attack(prompt=f"prompt {index}", attribute="its shape") for index in range(3)]
    attacks = {"a-model": attack_outcomes(attacks_made, np.ones((3, 4)), (0, 1, 2), np.array([[1] * 4, [1] * 4, [0] * 4], float))}
    return ProbeResults(
        clip="c" * 64,
        classes={"subject": CONCEPTS},
        neighbours=neighbours,
        ceilings=ceilings(neighbours, RULES),
        rankers=rankers,
        rank_correlations=rank_correlations(rankers, neighbours, RULES),
        attacks=attacks,
        attack_rates=attack_rates(attacks),
    )


def not_reproduced(results: ProbeResults, attacks: dict[str, Score] | None = None) -> set[str]:
    """Names of the values that are not reproduced."""
    rates = {rate.probe_set: rate.rate for rate in results.attack_rates if rate.attribute is None} if attacks is None else attacks
    return {
        name
        for name, stored, recomputed in recompute_probe_results(results, rates, RULES)
        if stored != recomputed and not _close(stored, recomputed)
    }


def _close(stored: Score | None, score: Score) -> bool:
    return stored is not None and stored.value is not None and score.value is not None and stored.value == pytest.approx(score.value)


def changed(results: ProbeResults, **parts: Any) -> ProbeResults:
    return results.model_copy(update=parts)


def test_what_an_evaluation_wrote_is_reproduced(intact: ProbeResults) -> None:
    assert not_reproduced(intact) == set() and len(list(recompute_probe_results(intact, {}, RULES))) > 30


def test_each_edited_number_is_named(intact: ProbeResults) -> None:
    better = Score(value=0.99, low=0.9, high=1, n=10)
    first = intact.rank_correlations[0].model_copy(update={"rho": better})
    assert not_reproduced(changed(intact, rank_correlations=(first, *intact.rank_correlations[1:]))) == {"ρ a-model clip"}
    assert not_reproduced(changed(intact, ceilings={**intact.ceilings, "clip": better})) == {"ceiling clip"}
    assert not_reproduced(
        changed(intact, attack_rates=(intact.attack_rates[0].model_copy(update={"rate": better}), *intact.attack_rates[1:]))
    ) == {
        "attacks a-model",
        "attacks a-model of the record",
    }
    assert not_reproduced(intact, {"a-model": better}) == {"attacks a-model of the record"}


def test_an_edited_damage_or_gate_changes_what_depends_on_it(intact: ProbeResults) -> None:
    worst = intact.neighbours[0].model_copy(update={"damage": {**intact.neighbours[0].damage, "clip": Score(value=5, n=6)}})
    assert {"damage c0 clip", "ρ a-model clip"} <= not_reproduced(changed(intact, neighbours=(worst, *intact.neighbours[1:])))
    hidden = intact.neighbours[0].model_copy(update={"eligible": False})
    assert {"eligible c0", "ρ a-model clip", "ceiling clip"} <= not_reproduced(changed(intact, neighbours=(hidden, *intact.neighbours[1:])))
