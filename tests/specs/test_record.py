"""Records: sealed, whole or absent, and never silently altered."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from codes import raises
from unconceal.specs.record import CheckpointRecord, Code, Curve, Environment, Record, Score, Timing, Verdict, read_record, write_record


def a_record(**changes: object) -> Record:
    psi = (0.0, 0.5, 1.0)
    curve = Curve(name="presence", split="forget", arm="prompt", psi=psi, k=(0, 12, 25), value=(0.0, None, 1.0), low=psi, high=psi, n=3)
    checkpoint = CheckpointRecord(task_digest="a", suite_digest="b", submission_digest="c", format="state-dict")
    environment = Environment(python="3.11", platform="linux", device="cpu", dtype="float32", threads=1, batch_size=8)
    record = Record(
        suite="tiny",
        suite_version=1,
        task="object/star",
        submission="esd-x",
        protocol="standard",
        tier="quick",
        verdict=Verdict(label="conceals", reason="because"),
        scores={"excess": Score(value=0.5, low=0.25, high=0.75, n=12)},
        curves=(curve,),
        checkpoint=checkpoint,
        code=Code(version="0.1.0"),
        environment=environment,
    )
    return record.model_copy(update=changes)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = a_record().path(tmp_path)
    assert path.relative_to(tmp_path).as_posix() == "tiny-1/object/star/esd-x.standard-quick.json"
    write_record(a_record(), path)
    assert read_record(path) == a_record().sealed()
    assert [result.name for result in path.parent.iterdir()] == [path.name]


def test_the_digest_is_that_of_canonical_json_without_digest_timing_and_defaults() -> None:
    record = a_record().sealed()
    written = json.loads(record.model_dump_json(exclude_defaults=True))
    assert "verification" not in written and "schema_version" not in written
    plain = {name: value for name, value in written.items() if name not in ("digest", "timing")}
    # RFC 8785 writes whole floats without a fraction; all floats here are short, so json agrees otherwise.
    text = json.dumps(plain, sort_keys=True, separators=(",", ":")).replace("0.0,", "0,").replace("1.0]", "1]").replace("0.0]", "0]")
    assert record.digest == hashlib.sha256(text.encode()).hexdigest()
    assert a_record(timing=Timing(forward_passes=9)).sealed().digest == record.digest
    assert a_record(tier="full").sealed().digest != record.digest


def test_altered_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_record(a_record(), path)
    path.write_text(path.read_text().replace('"value":0.5', '"value":0.05').replace('"value": 0.5', '"value": 0.05'))
    with raises("record.altered"):
        read_record(path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"suite": 1}', "\x00"])
def test_what_is_no_record_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with raises("record.invalid") as caught:
        read_record(path)
    assert "\n" not in str(caught.value)


def test_a_missing_record_is_refused(tmp_path: Path) -> None:
    with raises("record.unreadable"):
        read_record(tmp_path / "absent.json")


def test_a_full_disk_leaves_the_old_record_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.json"
    write_record(a_record(), path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with raises("record.not-writable"):
        write_record(a_record(tier="full"), path)
    assert [result.name for result in tmp_path.iterdir()] == ["r.json"]
    assert read_record(path).tier == "quick"


def test_a_record_in_a_folder_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with raises("record.not-writable"):
        write_record(a_record(), tmp_path / "file" / "deeper" / "r.json")


def test_a_record_of_an_older_format_names_the_release_that_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_record(a_record(), path)
    values = json.loads(path.read_text())
    values["verdict"]["why"] = values["verdict"].pop("reason")
    path.write_text(json.dumps(values | {"schema_version": 2}))
    with raises("record.old-format") as caught:
        read_record(path)
    assert "0.1.0" in str(caught.value) and "\n" not in str(caught.value)
