from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from pipelines import tiny_pipeline
from unconceal.checkpoints.apply import apply
from unconceal.checkpoints.base_pipeline import load_base
from unconceal_lab.build.submissions import DESTROYED, submission_name
from unconceal_lab.unlearners import UNLEARNERS
from unconceal_lab.unlearners.ablating_concepts import AblatingConceptsConfig
from unconceal_lab.unlearners.decouple import DecoupleConfig
from unconceal_lab.unlearners.esd import EsdConfig
from unconceal_lab.unlearners.forget_me_not import ForgetMeNotConfig
from unconceal_lab.unlearners.gradient_ascent import ASCENT, COLLAPSING
from unconceal_lab.unlearners.salun import SalunConfig
from unconceal_lab.unlearners.sdd import SddConfig

QUICK: dict[str, dict[str, Any]] = {
    "esd-x": {"config": EsdConfig(steps=2, learning_rate=1e-2, batch_size=2, sampling_steps=2)},
    "esd-u": {"config": EsdConfig(steps=2, learning_rate=1e-2, batch_size=2, sampling_steps=2)},
    "uce": {"n_pairs": 20, "n_retain": 20},
    "ablating-concepts": {"config": AblatingConceptsConfig(steps=2, learning_rate=1e-2, n_images=4, batch_size=2, sampling_steps=2)},
    "salun": {"config": SalunConfig(steps=2, learning_rate=1e-2, n_forget=4, n_retain=4, batch_size=2, sampling_steps=2)},
    "forget-me-not": {"config": ForgetMeNotConfig(steps=2, learning_rate=1e-2, n_images=4, batch_size=2, sampling_steps=2)},
    "gradient-ascent": {"config": replace(ASCENT, steps=2, learning_rate=1e-2, n_forget=4, n_retain=4, batch_size=2, sampling_steps=2)},
    "sdd": {"config": SddConfig(steps=2, learning_rate=1e-2, batch_size=2, sampling_steps=2)},
    "decouple-to-nothing": {"config": DecoupleConfig(steps=2, n_pairs=20, n_others=20, batch_size=4, others_batch_size=4)},
    "decouple-to-other": {"config": DecoupleConfig(steps=2, n_pairs=20, n_others=20, batch_size=4, others_batch_size=4)},
    "collapsed-by-ascent": {"config": replace(COLLAPSING, steps=2, learning_rate=1e-2, n_forget=4, batch_size=2, sampling_steps=2)},
}
COMPONENTS = {"decouple-to-nothing": "text_encoder", "decouple-to-other": "text_encoder"}
"""What a release changes where it is not the UNet."""


@pytest.mark.parametrize("name", UNLEARNERS)
def test_every_release_is_a_checkpoint_of_one_component(tmp_path: Path, name: str) -> None:
    tiny_pipeline(tmp_path / "base")
    base = load_base(tmp_path / "base")
    release = UNLEARNERS[name](base, "striped", 0, lambda line: None, **QUICK.get(name, {}))
    save_file(release.weights, tmp_path / "released.safetensors")
    _, applied = apply(base, tmp_path / "released.safetensors")
    assert applied.format == "state-dict"
    assert set(applied.components) == {COMPONENTS.get(name, "unet")}
    assert 0 < next(iter(applied.components.values())).relative_change < 2


def test_destroyed_models_are_controls() -> None:
    assert set(UNLEARNERS) > DESTROYED == {"collapsed", "collapsed-by-ascent", "constant", "noise"}
    assert {name for name in UNLEARNERS if submission_name(name).startswith("control-")} == DESTROYED
