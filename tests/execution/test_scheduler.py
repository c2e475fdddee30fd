"""Jobs in any order, lost workers, another run's claims and too little memory: the records are those of one process."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.faults import content, smaller
from evaluation.tiny import tiny_root
from execution.inline import Accident, Inline
from unconceal.errors import CheckFailed, EnvironmentFault
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.run import run
from unconceal.execution.job import EvaluationConfig, Job, Outcome
from unconceal.execution.scheduler import conduct
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
    place = replace(root, store=folder / "store", results=folder / "results")
    return Evaluation(smaller(root), place, "lite", shard=4, batch=16)


def pairs(root: DataRoot, names: tuple[str, ...] = NAMES) -> list[tuple[Task, Submission]]:
    return [(load_task(root, "tiny:object/star"), load_submission(root, f"tiny/{name}")) for name in names]


@pytest.fixture(scope="module")
def alone(root: DataRoot, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """One process, no jobs: the store, and each record's content."""
    folder = tmp_path_factory.mktemp("alone")
    return folder, digests(run(evaluation_in(root, folder), pairs(root)))


def digests(records: list[Record]) -> dict[str, str]:
    return {record.submission: content(record) for record in records}


def stored(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "store").glob("??/*.safetensors")}


def conducted(root: DataRoot, folder: Path, accident: Accident = lambda job, done: False, seed: int = 0) -> tuple[list[Record], Inline]:
    evaluation = evaluation_in(root, folder)
    executor = Inline(EvaluationConfig.of(evaluation), 3, seed, accident)
    return conduct(evaluation, pairs(root), False, executor), executor


def test_any_order_gives_the_same_bytes_and_every_cell_is_made_once(
    root: DataRoot, alone: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    records, executor = conducted(root, tmp_path)
    assert digests(records) == alone[1] and stored(tmp_path) == stored(alone[0])
    made = Counter(job.shard for job in executor.given if job.kind == "cell")
    assert set(made.values()) == {1} and len(made) == len(stored(tmp_path))
    assert Counter(job.kind for job in executor.given)["measure"] == 3
    assert sum(record.timing.denoiser_evaluations for record in records) > 0


def test_lost_workers_are_replaced(root: DataRoot, alone: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    records, _ = conducted(root, tmp_path, lambda job, done: done % 4 == 1 and job.tries == 0, seed=1)
    assert digests(records) == alone[1] and stored(tmp_path) == stored(alone[0])


def test_a_job_that_kills_its_workers_stops_the_run(root: DataRoot, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="ended 3 workers"):
        conducted(root, tmp_path, lambda job, done: job.kind == "measure")


def test_what_another_run_makes_is_waited_for_last(root: DataRoot, alone: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    def busy(job: Job, done: int) -> Outcome | bool:
        return Outcome("busy") if job.kind == "cell" and not job.wait and done % 3 == 0 else False

    records, executor = conducted(root, tmp_path, busy)
    assert digests(records) == alone[1]
    assert any(job.wait for job in executor.given)


def test_too_little_memory_halves_the_batch_of_the_whole_run(root: DataRoot, tmp_path: Path) -> None:
    def small(job: Job, done: int) -> Outcome | bool:
        return Outcome("memory") if job.kind == "cell" and job.batch > 8 and done == 4 else False

    records, _ = conducted(root, tmp_path / "short", small)
    halved = evaluation_in(root, tmp_path / "asked")
    halved.batch = 8
    asked = run(halved, pairs(root))
    assert {(record.environment.batch, record.environment.batch_asked) for record in records} == {(8, 16)}
    assert [record.measured_digest for record in records] == [record.measured_digest for record in asked]
    assert stored(tmp_path / "asked").items() <= stored(tmp_path / "short").items()


def test_a_mistake_stops_the_run_with_its_own_line(root: DataRoot, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="not what was submitted"):
        conducted(root, tmp_path, lambda job, done: Outcome("failed", error=CheckFailed("x", "not what was submitted", "y")))


def test_a_finished_run_gives_nothing_out(root: DataRoot, alone: tuple[Path, dict[str, str]]) -> None:
    evaluation = evaluation_in(root, alone[0])
    executor = Inline(EvaluationConfig.of(evaluation), 2)
    assert digests(conduct(evaluation, pairs(root), False, executor)) == alone[1]
    assert executor.given == []


def test_a_record_that_was_lost_is_measured_from_the_store(root: DataRoot, alone: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    evaluation = replace(evaluation_in(root, tmp_path), root=replace(root, store=alone[0] / "store", results=tmp_path / "results"))
    executor = Inline(EvaluationConfig.of(evaluation), 2)
    assert digests(conduct(evaluation, pairs(root), False, executor)) == alone[1]
    assert [job.kind for job in executor.given] == ["measure"] * 3


def test_a_failure_in_a_worker_is_told_in_one_line(root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr("unconceal.execution.worker_process.Workplace._cell", broken)
    with pytest.raises(EnvironmentFault, match=r"ZeroDivisionError \(by zero\)"):
        conducted(root, tmp_path)
