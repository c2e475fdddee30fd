from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from diffusion.pairs import model, trio
from unconceal.diffusion.handover import run_original
from unconceal.diffusion.model import MAX_CACHED_PROMPT_GROUPS, images_to_numpy
from unconceal.diffusion.optimize import OPTIONS, optimized


def test_channels_last_draws_the_same_within_rounding(tmp_path: Path) -> None:
    pipe = trio(tmp_path)["original"]
    before = run_original(model(pipe), ["a star", "a ring"], [1, 2], (3, 6))
    after = run_original(model(optimized(pipe, ("channels-last",))), ["a star", "a ring"], [1, 2], (3, 6))
    assert any(value.is_contiguous(memory_format=torch.channels_last) and value.ndim == 4 for value in pipe.unet.parameters())
    for k in (3, 6):
        torch.testing.assert_close(before.latents[k], after.latents[k], atol=1e-3, rtol=1e-3)


def test_compile_is_set_up_once_and_nothing_is_changed_without_options(tmp_path: Path) -> None:
    pipe = trio(tmp_path)["original"]
    assert optimized(pipe, ()).unet._compiled_call_impl is None
    compiled = optimized(pipe, ("compile",)).unet._compiled_call_impl
    assert compiled is not None and optimized(pipe, ("compile",)).unet._compiled_call_impl is compiled
    assert pipe.vae._compiled_call_impl is None
    assert set(OPTIONS) == {"channels-last", "compile"}


def test_prompts_that_come_again_are_embedded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item, calls = model(trio(tmp_path)["original"]), list[tuple[str, ...]]()
    embed_prompts = type(item).embed_prompts

    def noted(self: object, prompts: tuple[str, ...]) -> object:
        calls.append(tuple(prompts))
        return embed_prompts(item, prompts)

    monkeypatch.setattr(type(item), "embed_prompts", noted)
    for seeds in ([1, 2], [3, 4]):
        run_original(item, ["a star", "a ring"], seeds, (2,))
    assert calls == [("a star", "a ring")]
    for number in range(MAX_CACHED_PROMPT_GROUPS + 1):
        item.encode_prompts([f"prompt {number}"])
    item.encode_prompts(["a star", "a ring"])
    assert calls.count(("a star", "a ring")) == 2, "only the last few are kept"


def test_blocks_are_gathered_in_order() -> None:
    blocks = [torch.full((2, 1), number, dtype=torch.uint8) for number in range(3)]
    np.testing.assert_array_equal(images_to_numpy(iter(blocks))[:, 0], [0, 0, 1, 1, 2, 2])
