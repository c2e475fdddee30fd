"""`results check` in parallel and incremental: the same problems, and nothing that changed is taken for checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from results.measured import GOLDS, World, world
from unconceal.paths import DataRoot
from unconceal.results import check_results as module
from unconceal.results.check_results import FolderJob, check_results
from unconceal.results.passed_checks import FolderOutcome, PassedChecks
from unconceal.specs.record import Score, write_record


@pytest.fixture
def measured(tmp_path: Path) -> World:
    """Two tasks; the cache is beside the store of the test."""
    created = world(tmp_path / "root", ("object/star", "art-style/dots"), {**dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7})
    return replace(created, root=replace(created.root, store=tmp_path / "cache/store"))


def checked_folders(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The concepts whose folders are checked again."""
    folders: list[str] = []
    original = module.check_folder

    def counted(job: FolderJob) -> FolderOutcome:
        folders.append(job.paths[0].parent.name)
        return original(job)

    monkeypatch.setattr(module, "check_folder", counted)
    assert check_results(root, passed=PassedChecks(root)).problems == check_results(root).problems
    monkeypatch.undo()
    return folders[: len(folders) - 2]


def test_several_processes_find_the_same(measured: World) -> None:
    record = measured.records[-1]
    write_record(
        record.model_copy(update={"scores": record.scores | {"excess": Score(value=0.0, low=-0.1, high=0.1, n=12)}}),
        record.path(measured.root.results),
    )
    alone = check_results(measured.root)
    assert alone.problems and check_results(measured.root, workers=2) == alone


def test_only_changed_folders_are_checked_again(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    root = measured.root
    assert sorted(checked_folders(root, monkeypatch)) == ["dots", "star"]
    assert checked_folders(root, monkeypatch) == []
    record = next(record for record in measured.records if record.submission == "esd-x" and record.task == "object/star")
    forged = record.model_copy(update={"scores": record.scores | {"presence": Score(value=0.5, low=0.4, high=0.6, n=12)}})
    write_record(forged, record.path(root.results))
    assert checked_folders(root, monkeypatch) == ["star"], "a resealed record"
    assert {problem.code for problem in check_results(root, passed=PassedChecks(root)).problems} == {"record.not-reproduced"}


def test_changed_specs_and_images_are_checked_again(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    root = measured.root
    checked_folders(root, monkeypatch)
    (root.results / "made-1/object/star/esd-x.standard-full.strip.webp").write_bytes(b"RIFF")
    assert checked_folders(root, monkeypatch) == ["star"]
    path = root.submissions / "made/esd-x.yaml"
    path.write_text(path.read_text() + "\n")
    assert sorted(checked_folders(root, monkeypatch)) == ["dots", "star"]


def test_a_copy_in_another_folder_is_found_from_the_cache(measured: World) -> None:
    """Only the folder of the copy is read; the numbers of the original are known."""
    root = measured.root
    check_results(root, passed=PassedChecks(root))
    source = next(record for record in measured.records if record.submission == "control-gold-1" and record.task == "object/star")
    copy = source.model_copy(update={"task": "art-style/dots", "submission": "esd-x"})
    write_record(copy, copy.path(root.results))
    problems = check_results(root, passed=PassedChecks(root)).problems
    assert "record.copied" in {problem.code for problem in problems}


def test_a_broken_cache_is_an_empty_one(measured: World) -> None:
    passed = PassedChecks(measured.root)
    passed.path.parent.mkdir(parents=True)
    for content in (b"", b"[]", b'{"folders": {"a": 1}, "reproduced": []}'):
        passed.path.write_bytes(content)
        assert PassedChecks(measured.root).folders == {}
