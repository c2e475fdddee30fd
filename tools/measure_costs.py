"""Costs that need a quiet machine: tier verdict against tier full, reading records, and layouts of the judges. Not a test; run it by hand:

PYTHONPATH=benchmark python tools/measure_costs.py [uce …]

It takes about ten minutes of one core for one submission and writes one JSON object to standard output.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unconceal.judges import extractors
from unconceal.paths import DataRoot, resolve_path
from unconceal.results.result_tables import record_paths
from unconceal.specs.loader import load_suite
from unconceal.specs.record import read_record

TASK, SUITE, N_RECORDS = "object/star", "miniature", 10_000
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


def tiers(names: list[str]) -> dict[str, dict[str, object]]:
    """Seconds and forward passes of both tiers for submissions whose θ is stored already; golds are those of the data root."""
    with tempfile.TemporaryDirectory() as folder:
        results, store = Path(folder, "results"), Path(folder, "store")
        golds = Path(f"{SUITE}-{load_suite(DataRoot.find(), SUITE).version}", TASK)
        shutil.copytree(DataRoot.find().results / golds, results / golds, ignore=lambda _, files: [f for f in files if "gold" not in f])
        common = ["--task", TASK, "--threads", "1", "--store", str(store), "--results", str(results)]
        run("control-original", "verdict", common)  # generates θ's images of tier verdict
        measured = {f"{name}, {tier}": run(name, tier, common) for name in names for tier in ("verdict", "full")}
        for key in measured:
            name, tier = key.split(", ")
            record = read_record(results / golds / f"{name}.standard-{tier}.json")
            measured[key] |= {"label": record.verdict.label, "phases": record.timing.seconds, "passes": record.timing.forward_passes}
        return measured


def run(name: str, tier: str, options: list[str]) -> dict[str, object]:
    """Seconds of one command, loading included."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "unconceal", "run", name, "--tier", tier, *options], check=True, capture_output=True)
    return {"seconds": round(time.perf_counter() - start, 1)}


def reading() -> dict[str, float]:
    """Processor seconds to read and check so many records in one process; the data root's records are read again and again."""
    paths = list(record_paths(DataRoot.find().results))
    newest = [path for path in paths if f"{SUITE}-{load_suite(DataRoot.find(), SUITE).version}" in path.parts]
    read_record(newest[0])
    start = time.process_time()
    for index in range(N_RECORDS):
        read_record(newest[index % len(newest)])
    return {"records": N_RECORDS, "processor seconds": round(time.process_time() - start, 1)}


def layouts(steps: int = 5) -> dict[str, dict[str, float]]:
    """Processor seconds of a training step and of inference on 32 images, by extractor and layout."""
    torch.set_num_threads(1)
    suite, root = load_suite(DataRoot.find(), SUITE), DataRoot.find()
    pixels = np.random.default_rng(0).integers(0, 255, (suite.fine_tune.batch_size, 64, 64, 3), dtype=np.uint8)
    measured: dict[str, dict[str, float]] = {}
    for name, pinned in suite.judges.extractors.items():
        for layout, memory_format in LAYOUTS.items():
            extractor = extractors.load(name, resolve_path(pinned.path, root)).to(memory_format=memory_format)
            images = extractor.prepare(pixels).to(memory_format=memory_format)
            measured[f"{name}, {layout}"] = {"train": train_step(extractor, images, steps), "infer": inference(extractor, images, steps)}
    return measured


def train_step(extractor: extractors.Extractor, images: torch.Tensor, steps: int) -> float:
    """Processor seconds of a step after the first."""
    head, labels = nn.Linear(extractor.width, 2), torch.arange(len(images)) % 2
    optimizer = torch.optim.SGD([*extractor.train().parameters(), *head.parameters()], lr=1e-3, momentum=0.9)
    start = 0.0
    for step in range(steps + 1):
        start = time.process_time() if step == 1 else start
        loss = functional.cross_entropy(head(extractor(images)), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return round((time.process_time() - start) / steps, 3)


@torch.inference_mode()
def inference(extractor: extractors.Extractor, images: torch.Tensor, steps: int) -> float:
    """Processor seconds of a call after the first."""
    extractor.eval()(images)
    start = time.process_time()
    for _ in range(steps):
        extractor(images)
    return round((time.process_time() - start) / steps, 3)


if __name__ == "__main__":
    print(json.dumps({"layouts": layouts(), "reading": reading(), "tiers": tiers(sys.argv[1:] or ["uce"])}, indent=1))
