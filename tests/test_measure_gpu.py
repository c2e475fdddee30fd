"""The script that measures a GPU, on a processor and a tiny pipeline: it runs, and its arithmetic is right."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import measure_gpu
from measure_gpu import Measured
from pipelines import tiny_pipeline


def test_the_arithmetic_by_hand() -> None:
    """Four pictures of 50 guided steps in 10 s, and 2 s of decoding; a row takes 0.8 TFLOP: 2 · 50 · 4 · 0.8 / 10 = 32 TFLOP/s."""
    item = Measured(batch=8, pictures=4, steps=50, denoising=10, decoding=2, peak=3 * 2**30, flops=0.8e12)
    assert item.pictures_per_second == pytest.approx(4 / 12) and item.teraflops == pytest.approx(32)
    assert item.row(matrix=64) == {
        "rows at once": "8",
        "pictures/s": "0.333",
        "of it decoding": "17%",
        "denoiser TFLOP/s": "32",
        "share of the matrix product": "50%",
        "peak memory (GB)": "3.0",
    }


def test_it_measures_a_tiny_pipeline(tmp_path: Path) -> None:
    result = measure_gpu.measure(tiny_pipeline(tmp_path), [2, 4], 2)
    assert [(item.batch, item.pictures, item.steps) for item in result] == [(2, 1, 2), (4, 2, 2)]
    assert all(0 < item.denoising < 60 and 0 < item.decoding < 60 and item.peak > 2**20 for item in result)
    assert 0 < measure_gpu.matrix_teraflops(torch.device("cpu"), torch.float32, 64) < 100


def test_the_script_writes_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    position = tmp_path / "table.md"
    message = ["--tiny", "--batches", "2", "--steps", "2", "--dtype", "float32", "--device", "cpu", "--out", str(position)]
    monkeypatch.setattr(sys, "argv", ["measure_gpu.py", *message])
    measure_gpu.main()
    lines = position.read_text().splitlines()
    assert lines[0].startswith("processor, float32, torch") and lines[2].startswith("| rows at once") and len(lines) == 5
