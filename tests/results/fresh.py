"""Fresh re-runs of the submissions of :func:`results.measured.world`."""

from __future__ import annotations

from pathlib import Path

from results.measured import World, measure, world
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.evaluation.environment import spec_digests
from unconceal.rerun.fresh_specs import fresh_suite, fresh_task
from unconceal.results.fresh_checks import DrawnSpecs
from unconceal.specs.digests import canonical_digest
from unconceal.specs.loader import load_paraphrases
from unconceal.specs.record import FreshSpecs, Record
from unconceal.specs.submission import Submission

PARAPHRASES = """\
suite: made
generators:
  numbered:
    templates: ['a {concept} in {medium}, sketch {number}']
    slots: {medium: [ink, chalk, pencil, charcoal, crayon], number: ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10']}
categories: {object: numbered}
retained:
  subject:
    circle: {generator: numbered, names: [circle]}
    heart: {generator: numbered, names: [heart]}
    leaf: {generator: numbered, names: [leaf]}
"""
SEED, DATE, N_PROMPTS = 7, "2026-11-30T12:00:00Z", 40


def fresh_world(folder: Path, shares: dict[str, float] | None = None) -> World:
    """A data root whose suite has paraphrases, and prompts enough for every verdict."""
    measured = world(folder, shares=shares, n_prompts=N_PROMPTS)
    (folder / "tasks/made/paraphrases.yaml").write_text(PARAPHRASES, encoding="utf-8")
    return measured


def drawn(measured: World, seed: int = SEED) -> DrawnSpecs:
    """The specs of a fresh re-run on the first task."""
    task = measured.tasks[0]
    return DrawnSpecs(fresh_suite(measured.suite, seed), fresh_task(task, load_paraphrases(measured.root, "made"), seed))


def fresh_record(measured: World, name: str, knows: float, seed: int = SEED, outputs: int = 1) -> Record:
    """A fresh re-run without a verdict. ``outputs``: seed of the judge's outputs."""
    suite, task = drawn(measured, seed)
    record = measure(suite, task, name, knows, outputs)
    submission = Submission.model_validate_json((measured.root.submissions / f"made/{name}.yaml").read_text())
    fresh = FreshSpecs(seed=seed, suite_digest=canonical_digest(suite.content()), task_digest=canonical_digest(task.content()))
    update = {
        "fresh": fresh,
        "date": DATE,
        "checkpoint": record.checkpoint.model_copy(update=spec_digests(measured.suite, measured.tasks[0], submission)),
    }
    return record.model_copy(update=update).sealed()


def fresh_golds(measured: World, seed: int = SEED) -> list[Record]:
    """The golds, measured with the same prompts, seeds and ψ, with their verdicts."""
    records = [fresh_record(measured, name, 0.0, seed) for name in measured.tasks[0].golds]
    return [compute_verdict(record, records, *drawn(measured, seed)) for record in records]
