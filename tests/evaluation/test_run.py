"""A whole evaluation on random weights: record, strip, resumption, and what stops it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codes import raises
from evaluation.faults import content
from evaluation.tiny import tiny_root
from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.estimate.forecast import forecast
from unconceal.evaluation.evaluation import Evaluation, check_schedule
from unconceal.evaluation.protocols import PROTOCOLS
from unconceal.execution.scheduler import schedule
from unconceal.paths import DataRoot
from unconceal.results.strip_file import DESCRIPTION, strip_path
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.record import Record, read_record
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return tiny_root(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def evaluation(root: DataRoot) -> Evaluation:
    return Evaluation(load_suite(root, "tiny"), root, "quick", shard_size=8)


@pytest.fixture(scope="module")
def task(root: DataRoot) -> Task:
    return load_task(root, "tiny:object/star")


def named(root: DataRoot, name: str) -> Submission:
    return load_submission(root, f"tiny/{name}")


@pytest.fixture(scope="module")
def records(root: DataRoot, evaluation: Evaluation, task: Task) -> list[Record]:
    return schedule(evaluation, [(task, named(root, name)) for name in ("esd-x", "control-original", "control-gold-1", "control-gold-2")])


def by_name(records: list[Record], name: str) -> Record:
    return next(record for record in records if record.submission == name)


def test_every_row_has_every_score_and_curve(records: list[Record]) -> None:
    for record in records:
        expected = {"excess", "excess.prompt", "excess.empty", "presence", "psi_star.prompt", "retain_drop"}
        expected |= {"ccs.forget.mean", "auc.forget.resnet18"}
        expected |= {"crs.released.forget.resnet18", "crs.signed.retain.mean", "kid.original.forget", "clip.unlearned"}
        assert expected <= set(record.scores) or record.verdict.label == "undetermined"
        shapes = {(curve.name, curve.split, curve.arm) for curve in record.curves}
        assert {("presence", "forget", "prompt"), ("presence", "forget", "empty"), ("presence", "retain", "prompt")} <= shapes
        assert {("presence", "retain", "empty"), ("presence.original", "retain", "empty")} <= shapes
        assert {("crs.signed", "forget", "prompt"), ("ccs", "forget", "prompt"), ("kid.original", "forget", None)} <= shapes


def test_the_record_on_disk_is_the_one_returned(root: DataRoot, evaluation: Evaluation, task: Task, records: list[Record]) -> None:
    for record in records:
        assert read_record(evaluation.record_path(task, record.submission)) == record
        assert record.path(root.results) == evaluation.record_path(task, record.submission)


def test_the_original_handed_to_itself_is_the_original(records: list[Record]) -> None:
    original = by_name(records, "control-original")
    curve = next(c for c in original.curves if (c.name, c.arm, c.split) == ("presence", "prompt", "forget"))
    assert len(set(curve.value)) == 1
    retained = {c.name: c.per_prompt for c in original.curves if (c.split, c.arm) == ("retain", "empty")}
    assert retained["presence"] == retained["presence.original"], "θ's own unconditional continuation"


def test_the_originals_unconditional_continuation_is_one_for_all_submissions(records: list[Record]) -> None:
    of_original = [[c.per_prompt for c in record.curves if c.name == "presence.original"] for record in records]
    assert all(len(curves) == 1 and curves == of_original[0] for curves in of_original)


def test_golds_are_read_against_the_others(records: list[Record]) -> None:
    assert set(by_name(records, "control-gold-1").controls) == {"control-gold-2"}
    assert set(by_name(records, "esd-x").controls) == {"control-gold-1", "control-gold-2"}


def test_the_strip_shows_both_arms_over_psi(evaluation: Evaluation, task: Task, records: list[Record]) -> None:
    with Image.open(strip_path(evaluation.record_path(task, "esd-x"))) as strip:
        assert strip.size == (4 * 64, 3 * 3 * 64)
        assert "prompts" in strip.getexif()[DESCRIPTION]


def test_a_second_run_measures_nothing(
    root: DataRoot, evaluation: Evaluation, task: Task, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROTOCOLS, "standard", PROTOCOLS["standard"]._replace(measure=lambda *_: pytest.fail("measured again")))
    again = schedule(evaluation, [(task, named(root, record.submission)) for record in records])
    assert sorted(record.digest for record in again) == sorted(record.digest for record in records)


def test_measured_again_from_the_store_it_is_the_same_record(
    root: DataRoot, evaluation: Evaluation, task: Task, records: list[Record]
) -> None:
    path = evaluation.record_path(task, "esd-x")
    before = read_record(path)
    path.unlink()
    after = schedule(evaluation, [(task, named(root, "esd-x"))])[0]
    assert after.timing.forward_passes == 0
    assert content(after) == content(before)


def test_the_forecast_touches_nothing(root: DataRoot, evaluation: Evaluation, task: Task, records: list[Record]) -> None:
    result = forecast(evaluation, [(task, named(root, "esd-x"))]).tasks["object/star"]
    assert result.recorded == {"esd-x"} and result.submissions["esd-x"].forward_passes == result.shared.forward_passes == 0


def test_a_tier_that_the_suite_lacks(root: DataRoot) -> None:
    with raises("suite.unknown-tier"):
        Evaluation(load_suite(root, "tiny"), root, "full")


def test_a_changed_judge_is_refused(root: DataRoot, task: Task, tmp_path: Path) -> None:
    moved = tiny_root(tmp_path)
    (tmp_path / "models" / "judge" / "judge.json").write_text("{}")
    evaluation = Evaluation(load_suite(moved, "tiny"), moved, "quick", shard_size=8)
    with raises("suite.digest-mismatch"):
        _ = evaluation.suite_models.judge


def test_a_full_disk_is_one_line(root: DataRoot, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("unconceal.generate.store.write_atomically", full)
    shard = evaluation.plan(load_task(root, "tiny:object/star"), named(root, "esd-x")).train.trajectories[0]
    with raises("environment.disk-full"):
        evaluation.store.put(shard, {"x": np.zeros(1)})


def test_a_base_on_another_schedule_is_refused(evaluation: Evaluation) -> None:
    """Trailing spacing moves every timestep, and with it the noise level of every ψ."""
    base = evaluation.suite_models.base
    sampler = evaluation.suite.sampler
    planned = FAMILIES["stable-diffusion"].levels(sampler)
    check_schedule(StableDiffusion(base, sampler.num_inference_steps, sampler.guidance_scale), planned)
    base.scheduler.register_to_config(timestep_spacing="trailing")
    try:
        with raises("schedule.mismatch"):
            check_schedule(StableDiffusion(base, sampler.num_inference_steps, sampler.guidance_scale), planned)
    finally:
        base.scheduler.register_to_config(timestep_spacing="leading")
