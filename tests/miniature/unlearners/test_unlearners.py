from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from pipelines import tiny_pipeline
from unconceal.checkpoints.apply import apply
from unconceal.checkpoints.pipeline import load_base
from unconceal.miniature.unlearners import UNLEARNERS, decouple, esd

QUICK: dict[str, dict[str, Any]] = {
    "esd-x": {"settings": esd.Settings(steps=2, rate=1e-2, batch=2, sampling_steps=2)},
    "esd-u": {"settings": esd.Settings(steps=2, rate=1e-2, batch=2, sampling_steps=2)},
    "uce": {"captions": 20, "retained": 20},
    "decouple-to-nothing": {"settings": decouple.Settings(steps=2, pairs=20, others=20, batch=4, batch_others=4)},
    "decouple-to-other": {"settings": decouple.Settings(steps=2, pairs=20, others=20, batch=4, batch_others=4)},
}


@pytest.mark.parametrize("name", UNLEARNERS)
def test_every_release_is_a_checkpoint_of_one_component(tmp_path: Path, name: str) -> None:
    tiny_pipeline(tmp_path / "base")
    base = load_base(tmp_path / "base")
    release = UNLEARNERS[name](base, "striped", 0, lambda line: None, **QUICK.get(name, {}))
    save_file(release.weights, tmp_path / "released.safetensors")
    _, applied = apply(base, tmp_path / "released.safetensors")
    assert applied.format == "state-dict"
    assert set(applied.components) == {"text_encoder" if name.startswith("decouple") else "unet"}
    assert 0 < next(iter(applied.components.values())).relative_change < 2
