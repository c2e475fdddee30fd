"""Kills processes of `unconceal run` at random moments, again and again, and compares what comes out with an undisturbed run.

``python tools/kill_runs.py --executor local --kills 50``: two workers on a suite of random weights. Each kill (SIGKILL) hits the run
itself or one of the processes that it started. A run that ends is compared byte for byte; the next begins in an empty folder.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TREE = Path(__file__).parents[1]
sys.path[:0] = [str(TREE / "benchmark"), str(TREE / "tests")]

from evaluation.faults import content, shards  # noqa: E402
from evaluation.tiny import tiny_root  # noqa: E402
from execution.process_state import descendants, living, wait_until  # noqa: E402
from unconceal.paths import DataRoot  # noqa: E402
from unconceal.specs.record import read_record  # noqa: E402

NAMES = ("esd-x", "control-gold-1")
AFTERLIFE = 10.0
"""Seconds after which no process of a killed run may live."""


def start(root: DataRoot, folder: Path, executor: str, workers: int) -> subprocess.Popen[bytes]:
    """The command, with a store and results of its own."""
    folder.mkdir(exist_ok=True)
    places = ["--root", str(root.tasks.parent), "--store", str(folder / "store"), "--results", str(folder / "results")]
    options = ["--executor", executor, "--workers", str(workers), "--threads", "1", "--tier", "quick", "--task", "tiny:object/star"]
    command = [sys.executable, "-m", "unconceal", "run", *NAMES, *options, *places]
    environment = {**os.environ, "PYTHONPATH": str(TREE / "benchmark"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=(folder / "log").open("ab"))


def outcome(folder: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """Digests of the records, and the shards."""
    records = [read_record(path) for path in sorted((folder / "results").rglob("*.json"))]
    return {record.submission: content(record) for record in records}, shards(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--executor", default="local", choices=("local", "ray"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the moments and victims")
    options = parser.parse_args()
    chance, kills, endings, runs = random.Random(options.seed), {"run": 0, "child": 0}, 0, 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = tiny_root(folder / "root")
        started = time.monotonic()
        assert start(root, folder / "whole", "local", 1).wait() == 0, (folder / "whole" / "log").read_text()[-2000:]
        whole = outcome(folder / "whole")
        first = time.monotonic()
        assert start(root, folder / "first", options.executor, options.workers).wait() == 0, (folder / "first" / "log").read_text()[-2000:]
        assert outcome(folder / "first") == whole, "an undisturbed run differs"
        length = time.monotonic() - first
        print(f"one process {first - started:.0f} s, {options.workers} under {options.executor} {length:.0f} s", flush=True)
        while sum(kills.values()) < options.kills:
            place = folder / f"killed-{endings}"
            process = start(root, place, options.executor, options.workers)
            runs += 1
            time.sleep(chance.uniform(1, length))
            children = descendants(process.pid)
            victim = chance.choice([process.pid, *(child.pid for child in children)])
            if process.poll() is None:
                os.kill(victim, signal.SIGKILL)
                kills["run" if victim == process.pid else "child"] += 1
            code = process.wait()
            if not wait_until(lambda: not living(children), AFTERLIFE):  # noqa: B023
                raise SystemExit(f"processes {living(children)} outlived run {runs}")
            if code == 0:
                if outcome(place) != whole:
                    raise SystemExit(f"run {runs} differs from the undisturbed one: {place}")
                endings += 1
            print(f"run {runs}: code {code}, {sum(kills.values())} kills {kills}, {endings} ended equal", flush=True)
        place = folder / f"killed-{endings}"
        assert start(root, place, options.executor, options.workers).wait() == 0
        assert outcome(place) == whole
        print(f"{sum(kills.values())} kills {kills} in {runs} runs; {endings + 1} came through, all byte-equal")


if __name__ == "__main__":
    main()
