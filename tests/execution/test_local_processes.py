"""Real processes: the same records as one, also when one of them is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation.tiny import tiny_root
from execution.process_state import descendants, living, wait_until
from execution.test_scheduler import digests, evaluation_in, pairs, stored
from unconceal.execution.executor import Worker
from unconceal.execution.job import EvaluationConfig, Job
from unconceal.execution.local_processes import LocalProcesses, Process, gpu_of, worker_environment
from unconceal.execution.open_executor import open_executor, worker_count
from unconceal.execution.scheduler import schedule
from unconceal.paths import DataRoot

NAMES = ("esd-x", "control-gold-1")


class Killing(LocalProcesses):
    """Kills the first worker that has a job."""

    killed = False

    def submit(self, worker: Worker, job: Job) -> None:
        super().submit(worker, job)
        if not self.killed:
            self.killed = True
            assert isinstance(worker, Process) and worker.process.pid is not None
            os.kill(worker.process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return tiny_root(tmp_path_factory.mktemp("tiny"))


@pytest.mark.slow
def test_two_processes_one_of_which_is_killed_make_the_records_of_one(
    root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "benchmark"))
    together = evaluation_in(root, tmp_path / "two")
    executor = Killing(EvaluationConfig.from_evaluation(together), 2)
    try:
        records = schedule(together, pairs(root, NAMES), False, executor)
    finally:
        executor.close()
    assert executor.killed and not any(item.process.is_alive() for item in executor._processes)
    assert digests(records) == digests(schedule(evaluation_in(root, tmp_path / "one"), pairs(root, NAMES)))
    assert stored(tmp_path / "two") == stored(tmp_path / "one")


def test_one_local_worker_is_this_process(root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalProcesses, "__init__", lambda *_: pytest.fail("a process was started"))
    evaluation = evaluation_in(root, tmp_path)
    with open_executor(evaluation) as executor:
        assert digests(schedule(evaluation, pairs(root, NAMES[:1]), executor=executor))


def test_how_many_workers() -> None:
    assert [worker_count("local", None, "cpu"), worker_count("local", 3, "auto"), worker_count("ray", None, "cpu")] == [1, 3, None]


def test_each_worker_sees_its_own_card_and_its_threads(root: DataRoot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert [gpu_of(index) for index in range(3)] == ["4", "7", "4"]
    config = EvaluationConfig.from_evaluation(evaluation_in(root, tmp_path))
    object.__setattr__(config, "device", "cuda")
    object.__setattr__(config, "threads", 3)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with worker_environment(config, 1):
        assert (os.environ["CUDA_VISIBLE_DEVICES"], os.environ["OMP_NUM_THREADS"]) == ("7", "3")
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "4,7" and "OMP_NUM_THREADS" not in os.environ


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
@pytest.mark.parametrize("moment", ["at_work", "late", "starting", "reading"])
def test_workers_and_their_children_end_soon_after_a_killed_run(moment: str) -> None:
    tests = Path(__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (tests.parent / "benchmark", tests)))}
    command = [sys.executable, str(Path(__file__).with_name("spawned.py")), moment]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        workers = list(map(int, run.stdout.readline().split()))
        if moment == "reading":
            assert wait_until(lambda: len(descendants(run.pid)) >= 4, 60)
        started = descendants(run.pid)
        assert {process.pid for process in started} >= set(workers) and len(workers) == 2
        run.kill()
        run.wait()
    assert wait_until(lambda: not living(started), 5), living(started)
