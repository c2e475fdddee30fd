"""A sealed file's first line has its digest; everything else is compared by value."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from unconceal.errors import CheckFailed
from unconceal.specs.record import UNSEALED, read_record, write_record
from unconceal.specs.sealed_text import is_sealed_text, sealed_text

CONTENT, OTHERS = {"b": [1.0, 0.5], "a": "x\n,\n"}, {"date": "today"}
TEXT = sealed_text(CONTENT, OTHERS)
DIGEST = hashlib.sha256(b'{"a":"x\\n,\\n","b":[1,0.5]}').hexdigest()


def test_two_lines_that_are_one_object() -> None:
    assert TEXT == b'{"a":"x\\n,\\n","b":[1,0.5],\n"date":"today"}\n'
    assert json.loads(TEXT) == CONTENT | OTHERS
    assert is_sealed_text(TEXT, DIGEST, {"date"})


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace(b"0.5", b"0.6"),
        TEXT.replace(b"date", b"data"),
        TEXT.replace(b'"date"', b'"b":[2],"date"'),  # said again in the second line, where JSON's last value counts
        TEXT.replace(b",\n", b", \n"),
        TEXT[:-3],
        b"",
        json.dumps(CONTENT | OTHERS, indent=1).encode(),
    ],
)
def test_another_text_is_not_taken_on_trust(text: bytes) -> None:
    assert not is_sealed_text(text, DIGEST, {"date"})


def a_record() -> Path:
    return next(Path(__file__).parents[2].glob("results/miniature-3/*/*/*.json"))


def test_a_record_is_read_alike_in_any_layout(tmp_path: Path) -> None:
    record = read_record(a_record())
    write_record(record, tmp_path / "lines.json")
    (tmp_path / "indented.json").write_text(record.model_dump_json(indent=1))
    assert read_record(tmp_path / "lines.json") == read_record(tmp_path / "indented.json") == record
    assert is_sealed_text((tmp_path / "lines.json").read_bytes(), record.digest, UNSEALED)
    assert (tmp_path / "lines.json").read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("repeated", [b'"submission":"other",', b'"scores":{},'])
def test_a_value_that_is_said_again_after_the_sealed_line_is_found(tmp_path: Path, repeated: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(a_record().read_bytes().replace(b',\n"date"', b",\n" + repeated + b'"date"'))
    with pytest.raises(CheckFailed) as raised:
        read_record(path)
    assert raised.value.code == "record.altered"
