"""θ is the same in every record of a task: a row that claims another is refused, however it was resealed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from results.measured import GOLDS, World, world
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.evaluation.curves import make_curve
from unconceal.results.check_results import check_results
from unconceal.results.original_agreement import gold_disagreements, original_values
from unconceal.results.recomputation import scores_from_curves
from unconceal.specs.record import Curve, ProbeMeasurement, Record, write_record


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world(tmp_path_factory.mktemp("world"), shares={**dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7})


def row_and_golds(made: World) -> tuple[Record, list[Record]]:
    golds = [record for record in made.records if record.submission in GOLDS]
    return next(record for record in made.records if record.submission == "esd-x"), golds


def with_end(curve: Curve, value: float, n_prompts: int) -> Curve:
    """The curve with another value at ψ = 1 for some prompts, and everything that follows from it."""
    rows = np.array(curve.per_prompt)
    rows[:n_prompts, -1] = value
    n_images = 2 * len(rows) if curve.name.startswith("presence") else None
    return make_curve(curve.name, curve.split, dict(zip(curve.psi, curve.k, strict=True)), rows, n_images, arm=curve.arm)


def resealed(made: World, curves: tuple[Curve, ...]) -> Record:
    """The row with other curves, its scores and its verdict computed anew, as a careful forger would."""
    row, golds = row_and_golds(made)
    forged = row.model_copy(update={"curves": curves})
    forged = forged.model_copy(update={"scores": forged.scores | scores_from_curves(forged, made.suite.scores)})
    return compute_verdict(forged, golds, made.suite, made.tasks[0])


FORGERIES: dict[str, tuple[Callable[[Curve], bool], float]] = {
    "an original that seldom shows the concept": (lambda curve: (curve.name, curve.split) == ("presence", "forget"), 0.0),
    "an original that seldom shows retained concepts": (lambda curve: curve.name.startswith("presence") and curve.split == "retain", 0.0),
    "an original that CLIP likes more": (lambda curve: curve.name == "clip", 60.0),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_another_original_is_refused(made: World, forgery: str) -> None:
    chosen, value = FORGERIES[forgery]
    row, _ = row_and_golds(made)
    forged = resealed(made, tuple(with_end(curve, value, 6) if chosen(curve) else curve for curve in row.curves))
    path = forged.path(made.root.results)
    before = path.read_bytes()
    write_record(forged, path)
    try:
        problems = check_results(made.root, only=[path]).problems
    finally:
        path.write_bytes(before)
    assert {problem.code for problem in problems} == {"record.not-reproduced"}
    assert {problem.value for problem in problems} == {name for name, _ in gold_disagreements(forged, row_and_golds(made)[1])}


def test_one_image_of_another_machine_is_no_forgery(made: World) -> None:
    """One of 12 × 2 answers: a mean difference of .04, where .05 is allowed."""
    row, golds = row_and_golds(made)
    curves = tuple(with_end(curve, 0.5, 1) if (curve.name, curve.split) == ("presence", "forget") else curve for curve in row.curves)
    assert list(gold_disagreements(resealed(made, curves), golds)) == []
    curves = tuple(with_end(curve, 0.5, 2) if (curve.name, curve.split) == ("presence", "forget") else curve for curve in row.curves)
    assert len(list(gold_disagreements(resealed(made, curves), golds))) == 2 * len(golds)


def test_everything_of_the_original_is_compared(made: World) -> None:
    """Presence in three arms and splits, the unguided retained ones, CLIP, and both probes."""
    names = [name for name, _, _ in original_values(row_and_golds(made)[0])]
    assert len(names) == len(set(names)) == 4 + 1 + 1 + 2


def test_only_divergence_is_a_row_s_own(made: World) -> None:
    row, golds = row_and_golds(made)

    def failed(code: str) -> Record:
        shape = row.battery["relearning"].model_dump(include={"levels", "scored"})
        measurement = ProbeMeasurement.model_validate({**shape, "error": code})
        return row.model_copy(update={"battery": {**row.battery, "relearning": measurement}})

    assert [name for name, _ in gold_disagreements(failed("probe.diverged"), golds)] == []
    assert [name for name, _ in gold_disagreements(failed("probe.too-few-examples"), golds)] == ["battery relearning"]
    also_failed = [gold.model_copy(update={"battery": failed("probe.too-few-examples").battery}) for gold in golds]
    assert [name for name, _ in gold_disagreements(failed("probe.too-few-examples"), also_failed)] == []
