"""How long 10,000 records take: leaderboard from JSON and from Parquet, site, and a sort in the browser. Not a test; run it by hand:

PYTHONPATH=benchmark:tests python tools/measure_scale.py /tmp/scale [records]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from results.measured import GOLDS, make_submission, make_suite, make_task, put, task_records
from sorting import sort_time
from unconceal.paths import DataRoot
from unconceal.publish.publication import build_publication, write_folder
from unconceal.specs.record import write_record
from unconceal.specs.suite import Suite
from unconceal.specs.task import Task

TASKS = (
    "object/star",
    "object/moon",
    "object/arrow",
    "art-style/dots",
    "art-style/lines",
    "art-style/waves",
    "identity/zara",
    "identity/bruno",
    "nsfw/sign",
)
CONTROLS = {"control-original": 1.0, "control-collapsed": 0.0, **dict.fromkeys(GOLDS, 0.0)}
PATTERNS = 24
"""Submissions that are really measured on each task; the others repeat them under other names."""


def make(folder: Path, records: int) -> DataRoot:
    """A data root with so many records, of the size that the miniature suite's have."""
    made_suite = make_suite(36, ("resnet18", "densenet121", "efficientnet_b0"))
    put(folder / "tasks/made/suite.yaml", made_suite)
    names = [f"method-{number:04d}" for number in range(records // len(TASKS) - len(CONTROLS))]
    for name in TASKS:
        put(folder / f"tasks/made/{name}.yaml", make_task(name, 36))
    for name in (*CONTROLS, *names):
        put(folder / f"submissions/made/{name}.yaml", make_submission(name, TASKS))
    root = DataRoot.find(folder)
    for made_task in map(lambda name: make_task(name, 36), TASKS):
        fill(root, made_suite, made_task, names)
    return root


def fill(root: DataRoot, made_suite: Suite, on: Task, names: list[str]) -> None:
    """Every submission's record on one task."""
    shares = CONTROLS | {name: i / PATTERNS for i, name in enumerate(names[:PATTERNS])}
    records = task_records(made_suite, on, shares)
    measured = records[len(CONTROLS) :]
    others = enumerate(names[PATTERNS:])
    copies = (measured[i % PATTERNS].model_copy(update={"submission": name}) for i, name in others)
    for record in (*records, *copies):
        write_record(record, record.path(root.results))


def timed(*command: str) -> dict[str, float]:
    """Seconds on the clock and of the processors, and the peak memory so far of any one process in MB, of a command of ours."""
    clock, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "unconceal", *command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"clock": time.perf_counter() - clock, "processor": processor, "MB": after.ru_maxrss / 1024}


def browser(site: Path) -> dict[str, float]:
    """Milliseconds of the page's own thread that the slowest sort takes: script, style and layout."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tool:
        chromium = tool.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page()
        figures = {}
        for name in ("index.html", "made-1/tasks/object-star.html"):
            page.goto(f"file://{site / name}")
            buttons = page.locator("[data-sortable] thead button").count()
            figures[f"{name}: slowest sort (ms)"] = max(sort_time(page, button) for button in range(buttons))
        chromium.close()
    return figures


def main(target: Path, records: int) -> None:
    root = make(target, records) if not (target / "tasks").is_dir() else DataRoot.find(target)
    figures: dict[str, object] = {"records": len(list(root.results.rglob("*.json")))}
    index = str(target / "published/v1")
    start = time.process_time()
    write_folder(build_publication(root, "v1", "made"), target / "published")
    figures["tables built, seconds of the processor"] = time.process_time() - start
    figures["leaderboard from Parquet"] = timed("leaderboard", "--print", "--root", str(target), "--index", index)
    figures["site from Parquet"] = timed("site", "--root", str(target), "--index", index, "--out", str(target / "site"))
    figures["leaderboard from JSON"] = timed("leaderboard", "--root", str(target))
    figures |= browser(target / "site")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10_000)
