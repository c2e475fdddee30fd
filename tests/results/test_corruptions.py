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
def sound(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world(tmp_path_factory.mktemp("world"), shares={**dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7})


def spoilt(world: World, edit: Callable[[bytes], bytes]) -> bool:
    """Whether the check speaks up once one record's file is edited; the file is put back."""
    path = next(record for record in world.records if record.submission == "esd-x").path(world.root.results)
    before = path.read_bytes()
    path.write_bytes(edit(before))
    try:
        return bool(check_results(world.root, only=[path])[1])
    finally:
        path.write_bytes(before)


def test_there_are_a_hundred_of_them() -> None:
    assert len({corruption.name for corruption in CORRUPTIONS}) == len(CORRUPTIONS) >= 100


def test_sound_records_pass(sound: World) -> None:
    assert check_results(sound.root) == (4, ())


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_it_is_caught(sound: World, corruption: Corruption) -> None:
    def edit(content: bytes) -> bytes:
        record: Json = json.loads(content)
        corruption.edit(record)
        assert record != json.loads(content), "the corruption changed nothing"
        if corruption.forged:
            record["digest"] = Record.model_validate_json(json.dumps(record)).computed_digest()
        return json.dumps(record).encode()

    assert spoilt(sound, edit)


@pytest.mark.parametrize(
    "edit",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content + content,
        lambda content: b"\x89PNG" + content,
        lambda content: content.replace(b'"value":', b'"value": NaN, "was":', 1),
        lambda content: content.replace(b'"n": 12', b'"n": Infinity', 1),
        lambda content: b"[" + content + b"]",
    ],
)
def test_broken_files_are_caught(sound: World, edit: Callable[[bytes], bytes]) -> None:
    assert spoilt(sound, edit)


def test_a_copy_elsewhere_a_link_and_a_missing_control(tmp_path: Path) -> None:
    made = world(tmp_path, shares={**dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7})
    path = made.records[-1].path(made.root.results)
    copy = path.with_name("copy.standard-full.json")
    copy.write_bytes(path.read_bytes())
    assert [problem.value for problem in check_results(made.root)[1]] == ["its place"]
    copy.unlink()
    copy.symlink_to(path)
    assert [problem.consequence for problem in check_results(made.root)[1]] == ["is a link, which is not followed"]
    copy.unlink()
    made.records[0].path(made.root.results).unlink()
    assert {problem.value for problem in check_results(made.root)[1]} == {"control control-gold-1"}
