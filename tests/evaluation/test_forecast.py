from __future__ import annotations

from pathlib import Path

import pytest

from generate.small import plan
from unconceal.diffusion.cost import denoiser_flops
from unconceal.diffusion.families.bases import BASES
from unconceal.evaluation.forecast import EXPECTED_TFLOPS, Canvas, bytes_of, canvas_of, needs, pictures_of
from unconceal.generate.identity import Layout
from unconceal.generate.plan import build_plan
from unconceal.generate.store import Store
from unconceal.generate.worker import Worker, rows_of
from unconceal.paths import DataRoot
from unconceal.specs.reading import load_suite, load_task

SD14 = {
    "sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8, "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",), "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}  # fmt: skip


def test_pictures_and_bytes_are_those_that_are_written(tmp_path: Path) -> None:
    """Against the files of a real worker on a tiny pipeline: 64 pixels, 4×16×16 latents; headers are the rest."""
    from diffusion.pairs import trio
    from unconceal.diffusion.families.stable_diffusion import StableDiffusion

    pipes, store, canvas = trio(tmp_path / "pipes"), Store(tmp_path / "store"), Canvas(64, 4 * 16**2, None)
    worker = Worker(store, StableDiffusion(pipes["original"], 4, 5.0), StableDiffusion(pipes["unet"], 4, 5.0))
    block = plan().evaluation
    for ours, theirs in zip(block.trajectories, block.handovers, strict=True):
        worker.handover(theirs, ours)
    for shard in (*block.trajectories, *block.handovers):
        arrays = store.get(shard)
        assert arrays is not None
        assert sum(len(value) for value in arrays.values() if value.ndim == 4 and value.shape[-1] == 3) == pictures_of(shard)
        assert sum(value.nbytes for value in arrays.values()) == bytes_of(shard, canvas)


def test_minutes_follow_from_rows_and_the_architecture() -> None:
    shards = plan().shards
    found = needs(shards, Canvas(512, 4 * 64**2, 0.8))
    assert found["UNet rows left"] == sum(map(rows_of, shards))
    assert found["H100 minutes (expected)"] == round(sum(map(rows_of, shards)) * 0.8 / EXPECTED_TFLOPS / 60, 1)
    assert needs(shards, Canvas(64, 1024, None))["H100 minutes (expected)"] is None


def test_the_table_of_bases_says_what_torch_counts() -> None:
    sd14 = next(base for base in BASES if base.repo.endswith("v1-4"))
    assert denoiser_flops(SD14, 64) / 1e12 == pytest.approx(sd14.teraflop, rel=0.01)


@pytest.mark.parametrize(("tier", "limit"), [("lite", 10), ("full", 60)])
def test_a_task_of_sd14_is_planned_within_its_time(tier: str, limit: float) -> None:
    """θ's trajectories and one submission, nothing stored yet."""
    root = DataRoot.find()
    suite, task = load_suite(root, "sd14"), load_task(root, "sd14:object/church")
    canvas = canvas_of(suite, root)
    assert canvas == Canvas(512, 4 * 64**2, 0.803)
    layout = Layout("cuda", "bfloat16", 1, 128, 16)
    found = needs(build_plan(suite, suite.tiers[tier], task, "b" * 64, "c" * 64, layout).shards, canvas)  # type: ignore[index]
    assert isinstance(found["H100 minutes (expected)"], float) and limit / 10 < found["H100 minutes (expected)"] <= limit


def test_a_base_on_this_machine_is_asked_for_its_size() -> None:
    root = DataRoot.find()
    assert canvas_of(load_suite(root, "miniature"), root) == Canvas(64, 4 * 16**2, None)
