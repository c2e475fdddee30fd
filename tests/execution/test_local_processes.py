"""Real processes: the same records as one, also when one of them is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from evaluation.tiny import tiny_root
from execution.test_scheduler import digests, evaluation_in, pairs, stored
from unconceal.evaluation.run import run
from unconceal.execution.executor import Worker
from unconceal.execution.executors import evaluate_with, workers_for
from unconceal.execution.job import EvaluationConfig, Job
from unconceal.execution.local_processes import LocalWorkers, Process, surroundings, visible
from unconceal.execution.scheduler import conduct
from unconceal.paths import DataRoot

NAMES = ("esd-x", "control-gold-1")


class Killing(LocalWorkers):
    """Kills the first worker that has a job."""

    killed = False

    def submit(self, hand: Worker, job: Job) -> None:
        super().submit(hand, job)
        if not self.killed:
            self.killed = True
            assert isinstance(hand, Process) and hand.process.pid is not None
            os.kill(hand.process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return tiny_root(tmp_path_factory.mktemp("tiny"))


@pytest.mark.slow
def test_two_processes_one_of_which_is_killed_make_the_records_of_one(
    root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "benchmark"))
    together = evaluation_in(root, tmp_path / "two")
    executor = Killing(EvaluationConfig.of(together), 2)
    try:
        records = conduct(together, pairs(root, NAMES), False, executor)
    finally:
        executor.close()
    assert executor.killed and not any(one.process.is_alive() for one in executor._processes)
    assert digests(records) == digests(run(evaluation_in(root, tmp_path / "one"), pairs(root, NAMES)))
    assert stored(tmp_path / "two") == stored(tmp_path / "one")


def test_one_local_worker_is_this_process(root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalWorkers, "__init__", lambda *_: pytest.fail("a process was started"))
    assert digests(evaluate_with(evaluation_in(root, tmp_path), pairs(root, NAMES[:1])))


def test_how_many_workers() -> None:
    assert [workers_for("local", None, "cpu"), workers_for("local", 3, "auto"), workers_for("ray", None, "cpu")] == [1, 3, None]


def test_each_worker_sees_its_own_card_and_its_threads(root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert [visible(place) for place in range(3)] == ["4", "7", "4"]
    setting = EvaluationConfig.of(evaluation_in(root, tmp_path))
    object.__setattr__(setting, "device", "cuda")
    object.__setattr__(setting, "threads", 3)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with surroundings(setting, 1):
        assert (os.environ["CUDA_VISIBLE_DEVICES"], os.environ["OMP_NUM_THREADS"]) == ("7", "3")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,7" and "OMP_NUM_THREADS" not in os.environ
