from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from results.measured import GOLDS, World, measure, world
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.results.contributions import check_contribution
from unconceal.specs.record import Record, Verification, write_record

WEIGHTS = b"weights"


@pytest.fixture
def accepted(tmp_path: Path) -> World:
    """A contribution's tree: as it was in ``before``, and what it brings in the root."""
    created = world(tmp_path / "root", shares={**dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7})
    shutil.copytree(created.root.results, tmp_path / "before")
    return created


def codes(accepted: World) -> list[str]:
    results = accepted.root.results
    return sorted(problem.code for problem in check_contribution(accepted.root, results.parents[1] / "before"))


def add_record(accepted: World, name: str, **changes: object) -> Record:
    golds = [record for record in accepted.records if record.submission in GOLDS]
    record = compute_verdict(measure(accepted.suite, accepted.tasks[0], name, 0.5), golds, accepted.suite, accepted.tasks[0]).model_copy(
        update=changes
    )
    checkpoint = record.checkpoint.model_copy(update={"sha256": hashlib.sha256(WEIGHTS).hexdigest()})
    record = record.model_copy(update={"checkpoint": checkpoint})
    write_record(record, record.path(accepted.root.results))
    add_submission(accepted, record)
    return record


def add_submission(accepted: World, record: Record) -> Path:
    """The submission of a record, with weights of the digest that it names."""
    folder = accepted.root.submissions / record.suite
    weights = folder / "weights" / f"{record.submission}.safetensors"
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes(WEIGHTS)
    said = f"name: {record.submission}\nsuite: {record.suite}\ntitle: Mine\ndescription: It unlearns.\ncheckpoints:\n"
    path = folder / f"{record.submission}.yaml"
    path.write_text(f"{said}  {record.task}:\n    path: {weights.relative_to(accepted.root.submissions.parent)}\n")
    return weights


def test_a_new_record_and_its_images_are_accepted(accepted: World) -> None:
    path = add_record(accepted, "mine").path(accepted.root.results)
    path.with_suffix(".strip.webp").write_bytes(b"RIFF")
    assert codes(accepted) == []


def test_weights_that_nobody_can_get_are_reported(accepted: World) -> None:
    record = add_record(accepted, "mine")
    weights = add_submission(accepted, record)
    weights.write_bytes(b"other")
    assert codes(accepted) == ["record.weights-not-reachable"]
    weights.unlink()
    assert codes(accepted) == ["record.weights-not-reachable"]
    path = weights.parents[1] / "mine.yaml"
    text = path.read_text()
    path.write_text(text.partition("path:")[0] + "repo: someone/mine\n    revision: main\n")
    assert codes(accepted) == ["record.weights-not-reachable"], "a branch may mean other weights tomorrow"
    path.write_text(path.read_text().replace("main", "a" * 40))
    assert codes(accepted) == []
    path.unlink()
    assert codes(accepted) == ["record.weights-not-reachable"]


def test_accepted_records_are_neither_changed_nor_removed(accepted: World) -> None:
    paths = [record.path(accepted.root.results) for record in accepted.records]
    write_record(accepted.records[0].model_copy(update={"verification": Verification(status="withdrawn")}), paths[0])
    paths[1].unlink()
    assert codes(accepted) == ["record.altered", "record.removed"]


def test_verifications_and_control_names_are_reserved(accepted: World) -> None:
    add_record(accepted, "mine", verification=Verification(status="rerun", by="me", date="2026-11-26", reason="I say so"))
    add_record(accepted, "control-gold-9")
    assert codes(accepted) == ["record.control-name", "record.verification-reserved"]


def test_links_and_programs_are_refused(accepted: World) -> None:
    (accepted.root.results / "made-1/object/star/setup.py").write_text("raise SystemExit")
    (accepted.root.results / "made-1/elsewhere").symlink_to("/etc")
    assert codes(accepted) == ["record.link", "record.stray-file"]
