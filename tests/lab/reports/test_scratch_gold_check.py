"""A gold trained from scratch compared with continued golds, on images of random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codes import raises
from evaluation.tiny import tiny_root
from pipelines import tiny_pipeline
from unconceal.evaluation.evaluation import Evaluation
from unconceal.execution.scheduler import schedule
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.reports import scratch_gold_check


def test_page_and_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tiny_root(tmp_path)
    evaluation = Evaluation(load_suite(root, "tiny"), root, "quick", shard_size=8)
    task = load_task(root, "tiny:object/star")
    work = tmp_path / "work"
    work.mkdir()
    (work / f"{scratch_gold_check.SCRATCH}.pt").write_bytes(b"weights")
    pipeline = tiny_pipeline(tmp_path / "other", 11)
    monkeypatch.setattr("unconceal_lab.models.denoiser.to_pipeline", lambda *parts: pipeline)
    monkeypatch.setattr(BuildDir, "denoiser", lambda build_dir, name: None)
    monkeypatch.setattr(BuildDir, "vae", None)
    monkeypatch.setattr(BuildDir, "tokenizer", None)
    curves = scratch_gold_check.measure_curves(BuildDir(work), evaluation, task)
    assert [curve.arm for curve in curves] == ["prompt", "empty"]
    with raises("report.no-record"):
        scratch_gold_check.page(evaluation, task, curves, 7)
    names = ("control-original", "control-gold-1", "control-gold-2")
    records = schedule(evaluation, [(task, load_submission(root, f"tiny/{name}")) for name in names])
    # θ of random weights shows no star; excess retrieval needs a positive rate.
    original = records[0].model_copy(
        update={
            "curves": tuple(
                curve.model_copy(update={"per_prompt": tuple((1.0,) * len(row) for row in curve.per_prompt)}) for curve in records[0].curves
            )
        }
    )
    monkeypatch.setattr(scratch_gold_check, "reference_records", lambda evaluation, task: (original, records[1:]))
    text = scratch_gold_check.page(evaluation, task, curves, 7)
    assert "control-gold-2" in text and "Empty arm" in text and text.count("Excess retrieval over the continued golds") == 2
    scratch_gold_check.figure(evaluation, task, curves, tmp_path / "x.png")
    pixels = np.asarray(Image.open(tmp_path / "x.png").convert("RGB"))
    assert pixels.shape[0] > 200 and len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
