"""What fits a card of so many bytes, told for a model whose needs are given."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from codes import raises
from pipelines import tiny_pipeline
from unconceal.estimate import memory
from unconceal.estimate.memory import MemoryNeed, check_memory
from unconceal.evaluation.evaluation import Evaluation

GB = 2**30


@pytest.fixture(autouse=True)
def _needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of 4 + 2 GB in float32, half of it in bfloat16; a row takes 1 GB, a picture nothing; nothing is spared."""

    def memory_need(pipe: Any, dtype: torch.dtype, size: int | None = None) -> MemoryNeed:
        share = dtype.itemsize / 4
        return MemoryNeed({"unet": round(4 * GB * share), "vae": round(2 * GB * share)}, round(GB * share), 0)

    monkeypatch.setattr(memory, "memory_need", memory_need)
    monkeypatch.setattr(memory, "SPARE", 1.0)


def value(free: int, batch: int, dtype: torch.dtype = torch.float32, offload: bool = False) -> str | None:
    return check_memory(None, free * GB, batch, dtype, offload)


def numbers_and_options(text: str | None) -> tuple[list[str], list[str]]:
    """Numbers outside the options, and the options with their values, in a line for users."""
    options = r"--[a-z]+(?:-[a-z]+)?(?: (?:\d+|bfloat16))?"
    return re.findall(r"\d+(?:\.\d+)?", re.sub(options, "", text or "")), re.findall(options, text or "")


def test_by_hand() -> None:
    """Two UNets of 4 GB, a VAE of 2, and rows: 10 + batch; offloaded 4 + batch."""
    assert value(18, 8) is None and value(12, 8, offload=True) is None
    assert numbers_and_options(value(17, 8)) == (["8", "18.0", "17.0"], ["--batch-size 4", "--dtype bfloat16", "--offload"])
    options = ["--batch-size 4", "--dtype bfloat16", "--offload", "--batch-size 8"]
    assert numbers_and_options(value(14, 16)) == (["16", "26.0", "14.0"], options)


@pytest.mark.parametrize(
    "free, options",
    [
        (9, ["--dtype bfloat16", "--offload", "--batch-size 4"]),
        (3, ["--dtype bfloat16", "--offload", "--batch-size 2"]),
        (2, ["--device"]),
    ],
)
def test_where_not_even_one_row_fits_the_remedies_are_named(free: int, options: list[str]) -> None:
    with raises("environment.out-of-memory") as failed:
        value(free, 8)
    assert numbers_and_options(str(failed.value)) == (["11.0", "1", f"{free}.0"], options)


def test_an_evaluation_is_refused_before_anything_lies_on_the_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from evaluation.tiny import tiny_root
    from unconceal.specs.loader import load_submission, load_suite, load_task

    root = tiny_root(tmp_path)
    monkeypatch.setattr("unconceal.evaluation.suite_models.free_memory", lambda device: 2 * GB)
    evaluation = Evaluation(load_suite(root, "tiny"), root, "quick")
    with raises("environment.out-of-memory"):
        evaluation.models(load_task(root, "tiny:object/star"), load_submission(root, "tiny/esd-x"))


def test_what_a_pipeline_needs_follows_from_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    pipe = tiny_pipeline(tmp_path)
    need = memory.memory_need(pipe, torch.float32)
    assert need.parts["unet"] == 4 * sum(p.numel() for p in pipe.unet.parameters()) and need.forward_pass > 0 and need.image > 0
    assert need.total(1, offload=True) < need.total(1, offload=False) < need.total(500, offload=False)


def test_offloaded_the_decoder_may_be_what_takes_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """A UNet of 4 with rows of 1, or a VAE of 2 with pictures of 2 each, sixteen at most."""
    need = MemoryNeed({"unet": 4 * GB, "vae": 2 * GB}, GB, 2 * GB)
    assert need.total(1, offload=True) == 5 * GB and need.total(3, offload=True) == 8 * GB and need.total(20, offload=True) == 34 * GB
    assert need.total(3, offload=False) == (4 + 4 + 2 + 6) * GB
