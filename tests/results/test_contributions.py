from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from results.measured import GOLDS, World, measure, world
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.results.contributions import check_arrivals
from unconceal.specs.record import Record, Verification, write_record


@pytest.fixture
def made(tmp_path: Path) -> World:
    """A contribution's tree: as it was in ``before``, and what it brings in the root."""
    found = world(tmp_path / "root", shares={**dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7})
    shutil.copytree(found.root.results, tmp_path / "before")
    return found


def said(made: World) -> list[str]:
    return [
        f"{problem.value} {problem.consequence}" for problem in check_arrivals(made.root.results, made.root.results.parents[1] / "before")
    ]


def arriving(made: World, name: str, **changes: object) -> Record:
    golds = [record for record in made.records if record.submission in GOLDS]
    record = compute_verdict(measure(made.suite, made.tasks[0], name, 0.5), golds, made.suite, made.tasks[0]).model_copy(update=changes)
    write_record(record, record.path(made.root.results))
    return record


def test_a_new_record_and_its_pictures_are_welcome(made: World) -> None:
    place = arriving(made, "mine").path(made.root.results)
    place.with_suffix(".strip.webp").write_bytes(b"RIFF")
    assert said(made) == []


def test_what_is_there_is_neither_changed_nor_removed(made: World) -> None:
    paths = [record.path(made.root.results) for record in made.records]
    write_record(made.records[0].model_copy(update={"verification": Verification(status="withdrawn")}), paths[0])
    paths[1].unlink()
    assert said(made) == [
        "the record was altered, though it is not new",
        "the record was removed; a row that is taken back stays as `withdrawn`",
    ]


def test_nobody_verifies_himself_or_becomes_a_control(made: World) -> None:
    arriving(made, "mine", verification=Verification(status="rerun", by="me", date="2026-11-26", reason="I say so"))
    arriving(made, "control-gold-9")
    assert sorted(said(made)) == [
        "submission control-gold-9 has a name of the suite's own controls",
        "verification rerun is given by maintainers only",
    ]


def test_links_and_programs_are_refused(made: World) -> None:
    (made.root.results / "made-1/object/star/setup.py").write_text("raise SystemExit")
    (made.root.results / "made-1/elsewhere").symlink_to("/etc")
    assert said(made) == ["the file is a link, which is not followed", "the file is neither a record nor its pictures"]
