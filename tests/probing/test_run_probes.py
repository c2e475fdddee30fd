"""A whole run with neighbours and attacks on random weights: what the record holds, against the stored pictures; resumption; refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codes import raises
from evaluation.tiny import CONCEPTS, tiny_root
from probes.answers import answer_text, transcript
from unconceal.estimate.forecast import forecast
from unconceal.evaluation.evaluation import Evaluation
from unconceal.execution.scheduler import schedule
from unconceal.generate.generator import Generator
from unconceal.metrics import rank_correlation
from unconceal.paths import DataRoot
from unconceal.probes.freeze import freeze, replies_file, to_yaml
from unconceal.probes.prompt import build_question
from unconceal.probes.transcript import write_transcript
from unconceal.probing import probe_images, run_probes
from unconceal.probing.probe_sheet import sheet_path
from unconceal.specs.digests import file_digest
from unconceal.specs.loader import load_submission, load_suite, load_task, probe_folder
from unconceal.specs.probe_results import ProbeResults
from unconceal.specs.probe_set import ReplyFile
from unconceal.specs.record import Record, read_record
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task

ATTACKS = [{"prompt": text, "attribute": "its shape"} for text in ("a badge of a sheriff", "a five-armed badge")]
NAMES = ("esd-x", "control-original")


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    root = tiny_root(tmp_path_factory.mktemp("probed"))
    task = load_task(root, "tiny:object/star")
    requested = transcript(build_question(task), *(answer_text(*order, attacks=ATTACKS) for order in (CONCEPTS, CONCEPTS[::-1][:10])))
    file = replies_file(probe_folder(root, task), "some-model")
    write_transcript(requested, file)
    frozen = freeze(requested, build_question(task), ReplyFile(file=file.name, digest=file_digest(file)))
    file.with_name("some-model.yaml").write_text(to_yaml(frozen), encoding="utf-8")
    return Evaluation(load_suite(root, "tiny"), root, "quick", shard_size=8)


@pytest.fixture(scope="module")
def task(evaluation: Evaluation) -> Task:
    return load_task(evaluation.root, "tiny:object/star")


def tiny_submission(root: DataRoot, name: str) -> Submission:
    return load_submission(root, f"tiny/{name}")


@pytest.fixture(scope="module")
def records(evaluation: Evaluation, task: Task) -> dict[str, Record]:
    result = schedule(evaluation, [(task, tiny_submission(evaluation.root, name)) for name in NAMES], probes=True)
    return {record.submission: record for record in result}


def probed_in(record: Record) -> ProbeResults:
    assert record.probe_results is not None
    return record.probe_results


def test_every_neighbour_and_orderer_is_in_the_record(records: dict[str, Record]) -> None:
    result = probed_in(records["esd-x"])
    assert [item.concept for item in result.neighbours] == [*CONCEPTS]
    assert {(item.ranker, item.measure) for item in result.rank_correlations} == {
        (orderer, measure) for orderer in ("some-model", "clip-text", "random") for measure in ("clip", "accuracy", "kid")
    }
    assert result.classes == {"subject": ("a star", *(f"a {name}" for name in CONCEPTS), "an arrow")}
    assert result.probe_set_digests == {"some-model": next(item.digest for item in result.rankers if item.name == "some-model")}
    assert [attack.prompt for attack in result.attacks["some-model"]] == [attack["prompt"] for attack in ATTACKS]
    assert set(records["esd-x"].attacks) == {"some-model"} and records["esd-x"].timing.seconds["probes"] > 0


def test_damage_is_what_the_stored_pictures_say(evaluation: Evaluation, task: Task, records: dict[str, Record]) -> None:
    """CLIP's own similarity, neighbour by neighbour, on pictures drawn again from the store."""
    original, unlearned, applied = evaluation.models(task, tiny_submission(evaluation.root, "esd-x"))
    rules, sets = run_probes.probing_rules(evaluation, task), run_probes.probe_sets(evaluation, task)
    worker = Generator(evaluation.store, original, unlearned)
    image_list = probe_images.generate_neighbours(worker, run_probes.build_plan(evaluation, task, applied.sha256 or "", rules, sets))
    assert worker.forward_passes == 0
    captions, result = [f"a {name}" for name in ("star", *CONCEPTS)] + ["an arrow"], probed_in(records["esd-x"])
    for path, item in enumerate(result.neighbours):
        both = [part.to_array()[2 * path : 2 * path + 2].reshape(-1, 64, 64, 3) for part in (image_list.original, image_list.unlearned)]
        trajectory, handover = (evaluation.suite_models.clip.similarity(pixels, captions) for pixels in both)
        assert item.damage["clip"].value == pytest.approx((trajectory - handover)[:, path + 1].mean(), abs=1e-6)
        hits = [np.mean(images.argmax(axis=1) == path + 1) for images in (trajectory, handover)]
        assert item.damage["accuracy"].value == pytest.approx(hits[0] - hits[1])
        gate = evaluation.suite_models.clip.zero_shot(image_list.gate.to_array()[2 * path : 2 * path + 2].reshape(-1, 64, 64, 3), captions)
        assert item.gate_accuracy.value == pytest.approx(np.mean(gate == path + 1)) and item.eligible


def test_rho_can_be_computed_again_from_the_record_alone(records: dict[str, Record]) -> None:
    result = probed_in(records["esd-x"])
    for orderer in result.rankers[:2]:
        shared = [item for item in result.neighbours if item.eligible and item.concept in orderer.proximity]
        again = rank_correlation.correlate(
            [orderer.proximity[item.concept] for item in shared], [item.damage["clip"].value or 0 for item in shared]
        )
        rho = result.rho(orderer.name, "clip")
        assert again is not None and rho is not None and rho.value == pytest.approx(again.rho) and rho.n == 12


def test_the_original_is_not_damaged_so_there_is_no_order_to_find(records: dict[str, Record]) -> None:
    result = probed_in(records["control-original"])
    assert all(item.damage["clip"].value == 0 == item.damage["accuracy"].value for item in result.neighbours)
    for orderer in ("some-model", "random"):
        rho = result.rho(orderer, "clip")
        assert rho is not None and rho.value is None and rho.note


def test_a_second_run_draws_and_scores_nothing(
    evaluation: Evaluation, task: Task, records: dict[str, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Evaluation, "models", lambda *_: pytest.fail("loaded again"))
    again = schedule(evaluation, [(task, tiny_submission(evaluation.root, name)) for name in NAMES], probes=True)
    assert {record.submission: record.digest for record in again} == {name: record.digest for name, record in records.items()}
    assert read_record(evaluation.record_path(task, "esd-x")) == records["esd-x"]
    without = schedule(evaluation, [(task, tiny_submission(evaluation.root, "esd-x"))])
    assert without[0].probe_results == records["esd-x"].probe_results


def test_the_sheet_shows_every_neighbour_before_and_after(evaluation: Evaluation, task: Task, records: dict[str, Record]) -> None:
    with Image.open(sheet_path(evaluation.record_path(task, "esd-x"))) as sheet:
        about = json.loads(sheet.info["comment"])
        assert about["neighbours"] == [*CONCEPTS] and sheet.size == (128, 64 * (12 + len(about["attacks"])))


def test_the_forecast_counts_neighbours_and_attacks(evaluation: Evaluation, task: Task, records: dict[str, Record]) -> None:
    submission = tiny_submission(evaluation.root, "esd-x")
    plan = run_probes.plan_probes(evaluation, task, evaluation.weights_digest(task, submission) or "")
    assert [len(plan.gate.prompts), plan.gate.seeds, len(plan.attacks["some-model"].prompts)] == [24, 2, 2]
    left = forecast(evaluation, [(task, submission)], probes=True).total
    # Attacks that the original does not answer with a star are never drawn by the other.
    undrawn = sum(not attack.eligible for attack in probed_in(records["esd-x"]).attacks["some-model"])
    assert left.forward_passes == (2 * 2 * 4 * 4 * 2 if undrawn == 2 else 0)


def test_without_rules_or_neighbours_nothing_is_probed(evaluation: Evaluation, task: Task) -> None:
    with raises("probes.no-neighbours"):
        run_probes.probing_rules(evaluation, task.model_copy(update={"neighbours": ()}))
    silent = Evaluation(evaluation.suite.model_copy(update={"probing": None}), evaluation.root, "quick")
    with raises("probes.no-rules"):
        run_probes.probing_rules(silent, task)


def test_another_probe_set_is_scored_anew(evaluation: Evaluation, task: Task, records: dict[str, Record]) -> None:
    folder: Path = probe_folder(evaluation.root, task)
    text = (folder / "some-model.yaml").read_text(encoding="utf-8").replace("model: someone/Some-Model", "model: someone/Other")
    (folder / "other.yaml").write_text(text, encoding="utf-8")
    try:
        record = schedule(evaluation, [(task, tiny_submission(evaluation.root, "esd-x"))], probes=True)[0]
    finally:
        (folder / "other.yaml").unlink()
    assert set(probed_in(record).probe_set_digests) == {"some-model", "other"}
    assert probed_in(record).neighbours == probed_in(records["esd-x"]).neighbours
