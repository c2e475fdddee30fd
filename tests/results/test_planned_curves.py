"""A record that rests on less, or on others, than its tier and task ask for is refused, however it was resealed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from results.measured import GOLDS, World, world
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.results.check_results import check_results
from unconceal.specs.record import Curve, Record, write_record

Curves = tuple[Curve, ...]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world(tmp_path_factory.mktemp("world"), shares={**dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7, "uce": 0.6})


def codes(made: World, forged: Record) -> set[str]:
    """What the check says of one record once it is replaced; the file is restored."""
    path = forged.path(made.root.results)
    before = path.read_bytes()
    write_record(forged, path)
    try:
        return {problem.code for problem in check_results(made.root, only=[path]).problems}
    finally:
        path.write_bytes(before)


def esd(made: World) -> Record:
    return next(record for record in made.records if record.submission == "esd-x")


def last_psi(curve: Curve) -> Curve:
    ends = {name: getattr(curve, name)[-1:] for name in ("psi", "k", "value", "low", "high")}
    return curve.model_copy(update={**ends, "per_prompt": tuple(row[-1:] for row in curve.per_prompt)})


CHANGES: dict[str, Callable[[Curves], Curves]] = {
    "without CLIP": lambda curves: tuple(curve for curve in curves if curve.name != "clip"),
    "without CCS": lambda curves: tuple(curve for curve in curves if curve.name != "ccs"),
    "retained concepts at one ψ": lambda curves: tuple(last_psi(curve) if curve.split == "retain" else curve for curve in curves),
    "a shadow of presence": lambda curves: (curves[0].model_copy(update={"extractor": "resnet18"}), *curves),
    "fewer prompts": lambda curves: tuple(
        curve.model_copy(update={"per_prompt": curve.per_prompt[:-1]}) if curve.name == "clip" else curve for curve in curves
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_other_curves_than_the_tiers_are_found(made: World, name: str) -> None:
    record = esd(made)
    changed = record.model_copy(update={"curves": CHANGES[name](record.curves)})
    assert codes(made, changed) == {"record.not-reproduced"}


@pytest.mark.parametrize("controls", [("uce",), ("uce", "control-gold-1"), ("esd-x",)])
def test_only_golds_of_the_task_are_compared_with(made: World, controls: tuple[str, ...]) -> None:
    chosen = [record for record in made.records if record.submission in controls and record.submission != "esd-x"]
    record = compute_verdict(esd(made), chosen, made.suite, made.tasks[0])
    named = {**record.controls, **({"esd-x": record.measured_digest} if "esd-x" in controls else {})}
    assert "record.no-gold" in codes(made, record.model_copy(update={"controls": named}))


def test_another_base_is_found(made: World) -> None:
    assert codes(made, esd(made).model_copy(update={"base_digest": "0" * 64})) == {"record.other-base"}


def test_an_honest_record_passes(made: World, tmp_path: Path) -> None:
    assert codes(made, esd(made)) == set()
