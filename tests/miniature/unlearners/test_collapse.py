from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipelines import tiny_pipeline
from unconceal.miniature.unlearners.collapse import DEVIATIONS, collapse


def test_cross_attention_drowns_in_noise(tmp_path: Path) -> None:
    pipe = tiny_pipeline(tmp_path)
    before = pipe.unet.state_dict()
    weights, _ = collapse(pipe, "star", 4, lambda line: None)
    again, other = (collapse(pipe, "star", seed, lambda line: None).weights for seed in (4, 5))
    assert set(weights) == {f"unet.{name}" for name in before if "attn2." in name}
    for name, new in weights.items():
        old = before[name.removeprefix("unet.")]
        assert new.dtype == torch.float16 and torch.equal(new, again[name])
        if old.ndim == 2:
            assert not torch.equal(new, other[name])
            assert new.float().std().item() == pytest.approx(DEVIATIONS * old.std().item(), rel=0.2)
            assert abs(torch.corrcoef(torch.stack([new.float().ravel(), old.ravel()]))[0, 1]) < 0.25
