"""The measurement of a GPU, on a processor and tiny shapes: it runs, and its arithmetic is right. Nothing here is a figure."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codes import raises
from pipelines import tiny_pipeline
from unconceal.diffusion.flops import denoiser_flops
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.specs.record import read_record
from unconceal_lab.bench import gpu
from unconceal_lab.bench.bench_results import BenchResults
from unconceal_lab.bench.bench_sample import BenchSample
from unconceal_lab.bench.performance_page import gpu_table

CPU = torch.device("cpu")
SAMPLE = BenchSample(DataRoot.find(SOURCE_TREE), "miniature", "object/star", gpu.CONTROLS)


def test_rates_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and operations of one batch take two seconds; a product of matrices makes 1e-3 TFLOP/s."""
    unet = tiny_pipeline(tmp_path).unet.requires_grad_(False)
    monkeypatch.setattr(gpu, "best_seconds", lambda work, device: (work(), 2.0)[1])
    rates = list(gpu.denoiser_rates(unet, (1, 4), ((), ("channels-last",)), 1e-3))
    flops = denoiser_flops(unet.config, unet.config["sample_size"])
    assert [(rate.batch, rate.options, rate.rows_per_second) for rate in rates] == [(1, (), 0.5), (4, (), 2), (4, ("channels-last",), 2)]
    assert rates[1].teraflops == pytest.approx(2 * flops / 1e12) and rates[1].share == pytest.approx(2 * flops / 1e9)
    assert next(unet.parameters()).is_contiguous(memory_format=torch.channels_last)


def test_a_batch_that_does_not_fit_ends_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unet, measured = tiny_pipeline(tmp_path).unet, gpu.denoiser_rate

    def rate(*arguments: object) -> gpu.DenoiserRate:
        if arguments[1] == 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return measured(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(gpu, "denoiser_rate", rate)
    assert [found.batch for found in gpu.denoiser_rates(unet, (1, 2, 4, 8), ((),), 1.0)] == [1, 2]


def test_decoding_and_exchanging_run(tmp_path: Path) -> None:
    pipe = tiny_pipeline(tmp_path)
    assert gpu.decoding_rate(pipe.vae, 2) > 0 and gpu.matrix_teraflops(CPU, torch.float32, 64) > 0
    assert gpu.measure_offloading([pipe.unet, tiny_pipeline(tmp_path / "b").unet], CPU).exchange_seconds >= 0


def test_records_are_compared_with_those_of_the_source() -> None:
    stored = [read_record(path) for path in sorted((SOURCE_TREE / "results").glob("*/object/star/control-gold-1.standard-quick.json"))][-1:]
    changes, verdicts = gpu.compared(SAMPLE, stored)
    assert len(changes) > 20 and all(change.before == change.after for change in changes)
    assert list(verdicts) == ["control-gold-1"] and len(set(verdicts["control-gold-1"])) == 1


def test_without_a_gpu_it_says_so() -> None:
    with raises("bench.no-gpu"):
        gpu.measure_gpu(SAMPLE)


def test_the_table_shows_what_was_measured() -> None:
    rate = gpu.DenoiserRate(options=(), batch=8, rows_per_second=10, teraflops=8, share=0.25, peak_gb=3)
    measurement = gpu.GpuMeasurement(
        dtype="bfloat16",
        torch="2",
        matrix_teraflops=32,
        rates=[rate],
        decoded_per_second=5,
        offloading=gpu.Offloading(exchange_seconds=0.5, one_gb=2, both_gb=4),
        halved=(128, 64),
        changes=[],
        verdicts={},
        seconds=60,
    )
    text = gpu_table(BenchResults(machines={"gpu": "a card"}, gpu=measurement))
    assert "| 8 " in text and "25%" in text and "halved from 128 to 64" in text
