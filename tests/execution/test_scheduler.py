"""Jobs in any order, lost workers, another run's locks and too little memory: the records are those of one process."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from codes import raises
from evaluation.faults import content, smaller
from evaluation.tiny import tiny_root
from execution.inline import Fault, Inline
from unconceal.errors import CheckFailed
from unconceal.evaluation.evaluation import Evaluation
from unconceal.execution.job import EvaluationConfig, Job, Outcome
from unconceal.execution.scheduler import schedule
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_submission, load_task
from unconceal.specs.record import Record
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task

NAMES = ("esd-x", "control-gold-1", "control-original")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return tiny_root(tmp_path_factory.mktemp("tiny"))


def evaluation_in(root: DataRoot, folder: Path) -> Evaluation:
    data = replace(root, store=folder / "store", results=folder / "results")
    return Evaluation(smaller(root), data, "quick", shard_size=4, batch_size=16)


def pairs(root: DataRoot, names: tuple[str, ...] = NAMES) -> list[tuple[Task, Submission]]:
    return [(load_task(root, "tiny:object/star"), load_submission(root, f"tiny/{name}")) for name in names]


@pytest.fixture(scope="module")
def alone(root: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """The default executor: the store, and each record's content."""
    folder = tmp_path_factory.mktemp("alone")
    return folder, digests(schedule(evaluation_in(root, folder), pairs(root)))


def digests(records: list[Record]) -> dict[str, str]:
    return {record.submission: content(record) for record in records}


def stored(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "store").glob("??/*.safetensors")}


def scheduled(root: DataRoot, folder: Path, fault: Fault = lambda job, finished: False, seed: int = 0) -> tuple[list[Record], Inline]:
    evaluation = evaluation_in(root, folder)
    executor = Inline(EvaluationConfig.from_evaluation(evaluation), 3, seed, fault)
    return schedule(evaluation, pairs(root), False, executor), executor


def test_any_order_gives_the_same_bytes_and_every_cell_is_made_once(
    root: DataRoot, alone: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    records, executor = scheduled(root, tmp_path)
    assert digests(records) == alone[1] and stored(tmp_path) == stored(alone[0])
    created = Counter(job.shard for job in executor.submitted if job.kind == "shard")
    assert set(created.values()) == {1} and len(created) == len(stored(tmp_path))
    assert Counter(job.kind for job in executor.submitted)["measure"] == 3
    assert sum(record.timing.forward_passes for record in records) > 0


def test_lost_workers_are_replaced(root: DataRoot, alone: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    records, _ = scheduled(root, tmp_path, lambda job, finished: finished % 4 == 1 and job.attempts == 0, seed=1)
    assert digests(records) == alone[1] and stored(tmp_path) == stored(alone[0])


def test_a_job_that_kills_its_workers_stops_the_run(root: DataRoot, tmp_path: Path) -> None:
    with raises("worker.lost"):
        scheduled(root, tmp_path, lambda job, finished: job.kind == "measure")


def test_what_another_run_makes_is_waited_for_last(root: DataRoot, alone: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    def busy(job: Job, finished: int) -> Outcome | bool:
        return Outcome("busy") if job.kind == "shard" and not job.wait and finished % 3 == 0 else False

    records, executor = scheduled(root, tmp_path, busy)
    assert digests(records) == alone[1]
    assert any(job.wait for job in executor.submitted)


def test_too_little_memory_halves_the_batch_of_the_whole_run(root: DataRoot, tmp_path: Path) -> None:
    def small(job: Job, finished: int) -> Outcome | bool:
        return Outcome("out-of-memory") if job.kind == "shard" and job.batch_size > 8 and finished == 4 else False

    records, _ = scheduled(root, tmp_path / "short", small)
    halved = evaluation_in(root, tmp_path / "asked")
    halved.batch_size = 8
    requested = schedule(halved, pairs(root))
    assert {(record.environment.batch_size, record.environment.requested_batch_size) for record in records} == {(8, 16)}
    assert [record.measured_digest for record in records] == [record.measured_digest for record in requested]
    assert stored(tmp_path / "asked").items() <= stored(tmp_path / "short").items()


def test_a_mistake_stops_the_run_with_its_own_line(root: DataRoot, tmp_path: Path) -> None:
    with raises("checkpoint.digest-mismatch"):
        scheduled(
            root,
            tmp_path,
            lambda job, finished: Outcome("failed", error=CheckFailed("checkpoint.digest-mismatch", "x", "not what was submitted", "y")),
        )


def test_a_finished_run_gives_nothing_out(root: DataRoot, alone: tuple[Path, dict[str, str]]) -> None:
    evaluation = evaluation_in(root, alone[0])
    executor = Inline(EvaluationConfig.from_evaluation(evaluation), 2)
    assert digests(schedule(evaluation, pairs(root), False, executor)) == alone[1]
    assert executor.submitted == []


def test_a_record_that_was_lost_is_measured_from_the_store(root: DataRoot, alone: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    evaluation = replace(evaluation_in(root, tmp_path), root=replace(root, store=alone[0] / "store", results=tmp_path / "results"))
    executor = Inline(EvaluationConfig.from_evaluation(evaluation), 2)
    assert digests(schedule(evaluation, pairs(root), False, executor)) == alone[1]
    assert [job.kind for job in executor.submitted] == ["measure"] * 3


def test_a_failure_in_a_worker_is_told_in_one_line(root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("unconceal.execution.worker_process.JobRunner.execute", broken)
    with raises("environment.unexpected"):
        scheduled(root, tmp_path)
