"""Every corruption is caught, and the untouched records are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from results.corruptions import CORRUPTIONS, Corruption, Json
from results.measured import GOLDS, World, world
from unconceal.results.check_results import check_results
from unconceal.specs.record import Record


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world(tmp_path_factory.mktemp("world"), shares={**dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7})


def is_caught(intact: World, edit: Callable[[bytes], bytes]) -> bool:
    """Whether the check finds a problem once a record's file is edited; the file is restored."""
    path = next(record for record in intact.records if record.submission == "esd-x").path(intact.root.results)
    content = path.read_bytes()
    path.write_bytes(edit(content))
    try:
        return bool(check_results(intact.root, only=[path])[1])
    finally:
        path.write_bytes(content)


def test_there_are_a_hundred_corruptions() -> None:
    assert len({corruption.name for corruption in CORRUPTIONS}) == len(CORRUPTIONS) >= 100


def test_intact_records_pass(intact: World) -> None:
    assert check_results(intact.root) == (4, ())


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_it_is_caught(intact: World, corruption: Corruption) -> None:
    def edit(content: bytes) -> bytes:
        every_value = Record.model_validate_json(content).model_dump_json()
        record: Json = json.loads(every_value)
        corruption.edit(record)
        assert record != json.loads(every_value), "the corruption changed nothing"
        if corruption.forged:
            record["digest"] = Record.model_validate_json(json.dumps(record)).computed_digest()
        return json.dumps(record).encode()

    assert is_caught(intact, edit)


@pytest.mark.parametrize(
    "edit",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content + content,
        lambda content: b"\x89PNG" + content,
        lambda content: content.replace(b'"value":', b'"value": NaN, "was":', 1),
        lambda content: content.replace(b'"n":12', b'"n":Infinity', 1),
        lambda content: b"[" + content + b"]",
        lambda content: b'{"submission":"uce",' + content[1:],
        lambda content: content.replace(b'"label":', b'"label":"forgets","label":', 1),
    ],
)
def test_broken_files_are_caught(intact: World, edit: Callable[[bytes], bytes]) -> None:
    assert is_caught(intact, edit)


def test_a_copy_elsewhere_a_link_and_a_missing_control(tmp_path: Path) -> None:
    copied = world(tmp_path, shares={**dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7})
    path = copied.records[-1].path(copied.root.results)
    copy = path.with_name("copy.standard-full.json")
    copy.write_bytes(path.read_bytes())
    assert [problem.code for problem in check_results(copied.root).problems] == ["record.wrong-path"]
    copy.unlink()
    copy.symlink_to(path)
    assert [problem.code for problem in check_results(copied.root).problems] == ["record.link"]
    copy.unlink()
    copied.records[0].path(copied.root.results).unlink()
    assert {(problem.code, problem.value) for problem in check_results(copied.root).problems} == {
        ("record.missing-control", "control control-gold-1")
    }
