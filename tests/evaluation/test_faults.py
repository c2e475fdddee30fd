"""Whatever stops a run: the same command again ends with the same record, nothing is lost, and nothing is done twice."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from codes import raises
from evaluation.faults import World, content, done, ended, kill, shards
from generate.disturbances import DISTURBANCES, disturbing
from unconceal.diffusion.families.stable_diffusion import StableDiffusion
from unconceal.errors import EnvironmentFault
from unconceal.execution.scheduler import schedule
from unconceal.generate.identity import StoreKey
from unconceal.generate.store import Arrays, Store
from unconceal.progress import Silent
from unconceal.results.strip_file import strip_path
from unconceal.specs.record import Record

KILLS = 50


class Said(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World.make(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def whole(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    """An undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, world.run(folder)


def same(folder: Path, record: Record, whole: tuple[Path, Record]) -> None:
    """Record, shards and strip are those of the undisturbed run."""
    assert content(record) == content(whole[1])
    assert shards(folder) == shards(whole[0])
    strips = [strip_path(record.path(place / "results")).read_bytes() for place in (folder, whole[0])]
    assert strips[0] == strips[1]
    assert not [path for path in folder.rglob(".part-*") if path.parts[-2] == "object"]


def once(folder: Path, whole: tuple[Path, Record]) -> None:
    """Every shard was stored once, and the record judged once."""
    assert sorted(done(folder)) == sorted([*(Path(name).stem for name in shards(whole[0])), "judged"])


@pytest.mark.slow
def test_killed_at_fifty_moments(world: World, whole: tuple[Path, Record], tmp_path: Path) -> None:
    """SIGKILL at a random moment, again and again, until a run comes through; then from the beginning."""
    started = time.monotonic()
    first = tmp_path / "first"
    assert ended(world.start(first))
    length, chance, kills, number = time.monotonic() - started, random.Random(0), 0, 0
    while kills < KILLS:
        folder = tmp_path / str(number)
        child = world.start(folder)
        time.sleep(chance.uniform(0, length / 3))
        kill(child)
        if not ended(child):
            kills += 1
            continue
        finish(world, folder, whole)
        number += 1
    finish(world, tmp_path / str(number), whole)


def finish(world: World, folder: Path, whole: tuple[Path, Record]) -> None:
    """Run once more without disturbance, and compare. A kill between a rename and our own note of it may hide a line, never add one."""
    assert ended(world.start(folder))
    same(folder, world.run(folder), whole)
    lines = done(folder)
    assert len(lines) == len(set(lines)), "something was done twice"
    shutil.rmtree(folder)


def test_two_runs_at_once_share_the_work(world: World, whole: tuple[Path, Record], tmp_path: Path) -> None:
    children = [world.start(tmp_path) for _ in range(2)]
    assert all([ended(child) for child in children])
    same(tmp_path, world.run(tmp_path), whole)
    once(tmp_path, whole)


def test_a_full_disk_stops_in_one_line_and_the_same_command_goes_on(
    world: World, whole: tuple[Path, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, calls = os.fsync, list[int]()

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with raises("environment.disk-full") as failed:
            world.run(tmp_path)
    assert failed.value.exit_code == 3 and "\n" not in str(failed.value)
    assert 0 < len(shards(tmp_path)) < len(shards(whole[0])) and not list(tmp_path.rglob(".part-*"))
    assert shards(tmp_path).items() <= shards(whole[0]).items()
    same(tmp_path, world.run(tmp_path), whole)


def test_a_read_only_store_that_holds_everything_is_enough(
    world: World, whole: tuple[Path, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whole[0] / "store", tmp_path / "store")
    monkeypatch.setattr("unconceal.generate.store.write_atomically", refusing)
    monkeypatch.setattr("unconceal.generate.throughput.write_atomically", refusing)
    monkeypatch.setattr("unconceal.generate.locks._descriptor", lambda file: None)
    same(tmp_path, world.run(tmp_path), whole)


def test_a_read_only_store_that_lacks_something_names_the_option(
    world: World, whole: tuple[Path, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(whole[0] / "store", tmp_path / "store")
    next((tmp_path / "store").glob("??/*.safetensors")).unlink()
    monkeypatch.setattr("unconceal.generate.store.write_atomically", refusing)
    with raises("store.not-writable"):
        world.run(tmp_path)


def refusing(*_: Any, **__: Any) -> Any:
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_damaged_shard_is_found_said_and_made_again(world: World, whole: tuple[Path, Record], tmp_path: Path) -> None:
    shutil.copytree(whole[0] / "store", tmp_path / "store")
    altered, cut = sorted((tmp_path / "store").glob("??/*.safetensors"))[:2]
    content = bytearray(altered.read_bytes())
    content[-1] ^= 1
    altered.write_bytes(content)
    cut.write_bytes(cut.read_bytes()[:100])
    message = Said()
    same(tmp_path, world.run(tmp_path, message), whole)
    for path in (altered, cut):
        assert sum(str(path) in line and "damaged" in line and "generated again" in line for line in message.lines) == 1


@pytest.mark.parametrize("kind", DISTURBANCES)
def test_a_shard_that_is_damaged_while_it_is_read_is_made_again(
    world: World, whole: tuple[Path, Record], tmp_path: Path, kind: str
) -> None:
    """Of the two first shards that are read from a full store, after it was seen that they are there."""
    shutil.copytree(whole[0] / "store", tmp_path / "store")
    message = Said()
    with pytest.MonkeyPatch.context() as patched:
        hit = disturbing(patched, DISTURBANCES[kind], times=2)
        record = world.run(tmp_path, message)
    same(tmp_path, record, whole)
    assert len(hit) == 2 and record.timing.forward_passes > 0
    for path in hit:
        assert sum(str(path) in line and "generated again" in line for line in message.lines) == 1


def test_a_clock_that_jumps_changes_nothing(
    world: World, whole: tuple[Path, Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumps = random.Random(1)
    monkeypatch.setattr(time, "time", lambda: jumps.uniform(-1e9, 4e9))
    world.run(tmp_path)
    for path in [*(tmp_path / "store").rglob("*"), *(tmp_path / "results").rglob("*")]:
        os.utime(path, (jumps.uniform(0, 4e9),) * 2)
    for path in (tmp_path / "results").rglob("*.json"):
        path.unlink()
    record = world.run(tmp_path)
    assert record.timing.forward_passes == 0
    same(tmp_path, record, whole)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory: 99 bytes")])
def test_too_little_memory_halves_the_batch_and_the_record_says_so(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    """Sixteen rows at once are too many, so that eight are taken: the same pictures as of a run that was asked for eight."""
    call = StableDiffusion.call

    def small(self: StableDiffusion, latents: torch.Tensor, *more: Any) -> torch.Tensor:
        if len(latents) > 8:
            raise error
        return call(self, latents, *more)

    message = Said()
    with monkeypatch.context() as patched:
        patched.setattr(StableDiffusion, "call", small)
        record = world.run(tmp_path / "short", message)
    assert (record.environment.batch_size, record.environment.requested_batch_size) == (8, 16)
    assert any("16" in re.findall(r"\d+", line) for line in message.lines)
    request = world.evaluation(tmp_path / "asked")
    request.batch_size = 8
    other = schedule(request, world.pairs())[0]
    assert other.measured_digest == record.measured_digest and other.environment.requested_batch_size is None
    assert shards(tmp_path / "asked").items() <= shards(tmp_path / "short").items()


def test_one_row_that_is_too_much_is_one_line(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(StableDiffusion, "call", none)
    with pytest.raises(EnvironmentFault) as failed:
        world.run(tmp_path)
    assert failed.value.code == "environment.out-of-memory"


def test_other_failures_are_not_taken_for_lack_of_memory(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> torch.Tensor:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(StableDiffusion, "call", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        world.run(tmp_path)


def test_pictures_of_the_undisturbed_run_are_pictures(whole: tuple[Path, Record]) -> None:
    """What all others are compared with is not empty."""
    assert len(shards(whole[0])) > 10 and whole[1].timing.forward_passes > 100
    assert {curve.name for curve in whole[1].curves} >= {"presence", "ccs", "clip"}
    assert np.isfinite(whole[1].scores["presence"].value or 0.0)


def test_a_damaged_record_is_measured_again(world: World, whole: tuple[Path, Record], tmp_path: Path) -> None:
    for damage in (lambda content: content[: len(content) // 2], lambda content: b"", lambda content: content.replace(b"0", b"1", 3)):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        shutil.copytree(whole[0], folder)
        path = whole[1].path(folder / "results")
        path.write_bytes(damage(path.read_bytes()))
        said = Said()
        assert content(world.run(folder, said)) == content(whole[1])
        assert any("measured again" in line and str(path) in line for line in said.lines)


def test_results_that_cannot_be_written_are_said_before_the_work(world: World, tmp_path: Path) -> None:
    (tmp_path / "results").write_bytes(b"a file, where a folder has to be")
    with raises("record.not-writable"):
        world.run(tmp_path)
    assert not shards(tmp_path)


def test_the_cost_of_a_resumed_run_counts_all_of_its_processes(world: World, whole: tuple[Path, Record], tmp_path: Path) -> None:
    put, stored = Store.put, []

    def stopping(self: Store, shard: StoreKey, arrays: Arrays) -> None:
        put(self, shard, arrays)
        stored.append(shard)
        if len(stored) == 5:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Store, "put", stopping)
        with pytest.raises(KeyboardInterrupt):
            world.run(tmp_path)
    resumed = world.run(tmp_path)
    # The shard during which the run was stopped is stored, and its cost is not.
    assert 0.8 * whole[1].timing.forward_passes < resumed.timing.forward_passes <= whole[1].timing.forward_passes
    assert not list((tmp_path / "store").glob("spent/*.json"))


def test_too_few_retain_prompts_are_said_before_the_work(world: World, tmp_path: Path) -> None:
    [(task, submission)] = world.pairs()
    few = task.model_copy(update={"retain": task.retain[:1]})
    with raises("task.too-few-retain-prompts"):
        schedule(world.evaluation(tmp_path), [(few, submission)])
    assert not list(tmp_path.rglob("*.json")) and not shards(tmp_path)
