from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from results.measured import GOLDS, World, measure, world
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.results.contributions import check_contribution
from unconceal.specs.record import Record, Verification, write_record


@pytest.fixture
def accepted(tmp_path: Path) -> World:
    """A contribution's tree: as it was in ``before``, and what it brings in the root."""
    created = world(tmp_path / "root", shares={**dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7})
    shutil.copytree(created.root.results, tmp_path / "before")
    return created


def codes(accepted: World) -> list[str]:
    results = accepted.root.results
    return sorted(problem.code for problem in check_contribution(results, results.parents[1] / "before"))


def add_record(accepted: World, name: str, **changes: object) -> Record:
    golds = [record for record in accepted.records if record.submission in GOLDS]
    record = compute_verdict(measure(accepted.suite, accepted.tasks[0], name, 0.5), golds, accepted.suite, accepted.tasks[0]).model_copy(
        update=changes
    )
    write_record(record, record.path(accepted.root.results))
    return record


def test_a_new_record_and_its_images_are_accepted(accepted: World) -> None:
    path = add_record(accepted, "mine").path(accepted.root.results)
    path.with_suffix(".strip.webp").write_bytes(b"RIFF")
    assert codes(accepted) == []


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
