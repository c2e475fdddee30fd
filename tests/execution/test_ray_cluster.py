"""A real Ray cluster of two nodes on this machine, one of which is killed in the middle of a run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from codes import raises
from evaluation.tiny import tiny_root
from execution.process_state import descendants, living, wait_until
from execution.test_scheduler import digests, evaluation_in, pairs, stored
from unconceal.evaluation.environment import usable_cores
from unconceal.execution.job import EvaluationConfig, Job, Outcome
from unconceal.execution.ray_cluster import RayCluster
from unconceal.execution.ray_guard import ProcessId, end, session_processes
from unconceal.execution.scheduler import schedule
from unconceal.paths import DataRoot

NAMES = ("esd-x", "control-gold-1")
BENCHMARK = Path(__file__).parents[2] / "benchmark"


Made = TypeVar("Made")


def patiently(make: Callable[[], Made], tries: int = 4) -> Made:
    """What ``make`` makes: Ray gives a node thirty seconds to come up, which a machine full of other work does not always keep."""
    for left in reversed(range(tries)):
        try:
            return make()
        except Exception as error:
            if not left or "timed out during startup" not in str(error):
                raise
    raise AssertionError


def two_nodes() -> tuple[Any, Any]:
    from ray.cluster_utils import Cluster

    quick = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 1000, "health_check_failure_threshold": 8}
    small: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster: Any = Cluster()
    try:
        cluster.add_node(**small, include_dashboard=False, _system_config=quick)
        second = cluster.add_node(**small)
        cluster.wait_for_nodes(timeout=60)
    except Exception:
        cluster.shutdown()
        raise
    return cluster, second


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[Any, Any]]:
    """The cluster, and its second node; one core each."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(BENCHMARK))
        patched.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patched.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        created = patiently(two_nodes)
        yield created
        created[0].shutdown()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return tiny_root(tmp_path_factory.mktemp("tiny"))


class Losing(RayCluster):
    """Takes a node away while its worker is at work."""

    def __init__(self, config: EvaluationConfig, nodes: tuple[Any, Any]) -> None:
        super().__init__(config, None, nodes[0].address)
        self.nodes, self.lost, self.answers = nodes, False, 0

    def next(self) -> tuple[Job, Outcome | None] | None:
        if not self.lost and self.answers > 1 and sum(actor.job is not None for actor in self._actors) == 2:
            self.lost = True
            self.nodes[0].remove_node(self.nodes[1], allow_graceful=False)
        answer = super().next()
        self.answers += answer is not None
        return answer


@pytest.mark.slow
def test_two_nodes_one_of_which_is_killed_make_the_records_of_one_process(nodes: tuple[Any, Any], root: DataRoot, tmp_path: Path) -> None:
    together = evaluation_in(root, tmp_path / "two")
    executor = Losing(EvaluationConfig.from_evaluation(together), nodes)
    try:
        assert executor.workers == 2
        records = schedule(together, pairs(root, NAMES), False, executor)
    finally:
        executor.close()
    assert executor.lost
    assert digests(records) == digests(schedule(evaluation_in(root, tmp_path / "one"), pairs(root, NAMES)))
    assert stored(tmp_path / "two") == stored(tmp_path / "one")


@pytest.mark.slow
def test_a_cluster_without_room_is_said(nodes: tuple[Any, Any], root: DataRoot, tmp_path: Path) -> None:
    evaluation = evaluation_in(root, tmp_path)
    object.__setattr__(config := EvaluationConfig.from_evaluation(evaluation), "threads", 64)
    try:
        with raises("ray.no-resources"):
            RayCluster(config, None, nodes[0].address)
    finally:
        import ray

        ray.shutdown()


@pytest.mark.slow
def test_one_is_started_here_where_none_is_named(root: DataRoot, tmp_path: Path) -> None:
    import ray

    resources: Callable[[], dict[str, float]] = ray.cluster_resources
    evaluation = evaluation_in(root, tmp_path)
    executor = patiently(lambda: RayCluster(EvaluationConfig.from_evaluation(evaluation), 1, None))
    try:
        while not executor.idle():
            executor.next()
        assert resources()["CPU"] == usable_cores() and executor.workers == 1
    finally:
        executor.close()
    assert not ray.is_initialized()


DRIVER = """
import sys, time
from pathlib import Path
from evaluation.tiny import tiny_root
from execution.test_ray_cluster import RayCluster, patiently
from execution.test_scheduler import evaluation_in
from unconceal.execution.job import EvaluationConfig
folder = Path(sys.argv[1])
config = EvaluationConfig.from_evaluation(evaluation_in(tiny_root(folder / "root"), folder / "run"))
cluster = patiently(lambda: RayCluster(config, 1, None))
while not cluster.idle():
    cluster.next()
print("up", flush=True)
time.sleep(600)
"""
AFTERLIFE = 8.0
"""Seconds. Workers look for their raylet about once a second, and a machine full of other work is slow."""


def started_run(folder: Path) -> subprocess.Popen[str]:
    """A process that starts Ray, says so, and waits."""
    paths = os.pathsep.join((str(BENCHMARK), str(BENCHMARK.parent / "tests")))
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.Popen([sys.executable, "-c", DRIVER, str(folder)], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
def test_a_run_that_is_killed_while_ray_starts_leaves_no_process_behind(tmp_path: Path) -> None:
    with started_run(tmp_path) as driver:
        assert wait_until(lambda: "raylet" in living(descendants(driver.pid)), 120)
        started = descendants(driver.pid)
        driver.kill()
        driver.wait()
        assert wait_until(lambda: not living([*started, *session_processes(driver.pid)]), AFTERLIFE)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
def test_a_killed_run_leaves_no_process_behind(tmp_path: Path) -> None:
    with started_run(tmp_path) as driver:
        started: list[ProcessId] = []
        try:
            assert driver.stdout and driver.stdout.readline() == "up\n"
            started = descendants(driver.pid)
            # The system cuts names after 15 characters.
            assert {"raylet", "ray::DashboardA", "ray::RuntimeEnv", "ray::WorkerProc"} <= set(living(started))
            driver.kill()
            driver.wait()
            assert wait_until(lambda: not living(started), AFTERLIFE), living(started)
        finally:
            driver.kill()
            for process in started:
                end(process)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
def test_a_cluster_that_is_lost_during_a_run_is_one_line(root: DataRoot, tmp_path: Path) -> None:
    evaluation = evaluation_in(root, tmp_path)
    cluster = patiently(lambda: RayCluster(EvaluationConfig.from_evaluation(evaluation), 1, None))
    try:
        raylets = [process for process in descendants(os.getpid()) if living([process]) == ["raylet"]]
        end(max(raylets, key=lambda process: process.started))
        with raises("ray.lost"):
            for _ in range(120):
                cluster.next()
    finally:
        cluster.close()


def test_an_address_that_nobody_answers_is_one_line(root: DataRoot, tmp_path: Path) -> None:
    with raises("ray.not-reached"):
        RayCluster(EvaluationConfig.from_evaluation(evaluation_in(root, tmp_path)), 1, "nonsense")
