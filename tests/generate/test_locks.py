from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from generate.claimant import other_process
from unconceal.generate.locks import locked


def test_two_processes_never_do_one_thing(tmp_path: Path) -> None:
    with other_process(tmp_path / "claims", "a"):
        with locked(tmp_path / "claims", "a", wait=False) as acquired, locked(tmp_path / "claims", "b", wait=False) as other:
            assert not acquired and other
        with locked(tmp_path / "claims", "a", wait=False) as acquired:
            assert not acquired, "a failed claim took nothing away"


def test_a_killed_process_leaves_no_claim(tmp_path: Path) -> None:
    with other_process(tmp_path / "claims", "a") as child:
        os.kill(child, signal.SIGKILL)
        started = time.monotonic()
        with locked(tmp_path / "claims", "a") as acquired:
            assert acquired and time.monotonic() - started < 60


def test_who_waits_gets_it(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "claims"
    with locked(file, "a"):
        child = os.fork()
        if not child:
            with locked(file, "a"):
                (tmp_path / "got").touch()
            os._exit(0)
        time.sleep(0.2)
        assert not (tmp_path / "got").exists()
    os.waitpid(child, 0)
    assert (tmp_path / "got").exists()


def test_where_nothing_can_be_written_nobody_is_kept_from_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refused)
    with locked(tmp_path / "claims", "a") as acquired:
        assert acquired


def test_a_store_that_was_deleted_is_claimed_in_anew(tmp_path: Path) -> None:
    file = tmp_path / "claims"
    with locked(file, "a"):
        pass
    file.unlink()
    with other_process(file, "a"), locked(file, "a", wait=False) as acquired:
        assert not acquired
