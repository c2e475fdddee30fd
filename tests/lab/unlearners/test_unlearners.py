from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from pipelines import tiny_pipeline
from unconceal.checkpoints.apply import apply
from unconceal.checkpoints.base_pipeline import load_base
from unconceal_lab.build.submissions import DAMAGED, submission_name
from unconceal_lab.unlearners import UNLEARNERS
from unconceal_lab.unlearners.ablating_concepts import Settings as Ablating
from unconceal_lab.unlearners.decouple import Settings as Decouple
from unconceal_lab.unlearners.esd import Settings as Esd
from unconceal_lab.unlearners.forget_me_not import Settings as ForgetMeNot
from unconceal_lab.unlearners.gradient_ascent import ASCENT, COLLAPSING
from unconceal_lab.unlearners.salun import Settings as Salun
from unconceal_lab.unlearners.sdd import Settings as Sdd

QUICK: dict[str, dict[str, Any]] = {
    "esd-x": {"settings": Esd(steps=2, rate=1e-2, batch=2, sampling_steps=2)},
    "esd-u": {"settings": Esd(steps=2, rate=1e-2, batch=2, sampling_steps=2)},
    "uce": {"captions": 20, "retained": 20},
    "ablating-concepts": {"settings": Ablating(steps=2, rate=1e-2, pictures=4, batch=2, sampling_steps=2)},
    "salun": {"settings": Salun(steps=2, rate=1e-2, pictures=4, retained=4, batch=2, sampling_steps=2)},
    "forget-me-not": {"settings": ForgetMeNot(steps=2, rate=1e-2, pictures=4, batch=2, sampling_steps=2)},
    "gradient-ascent": {"settings": replace(ASCENT, steps=2, rate=1e-2, pictures=4, retained=4, batch=2, sampling_steps=2)},
    "sdd": {"settings": Sdd(steps=2, rate=1e-2, batch=2, sampling_steps=2)},
    "decouple-to-nothing": {"settings": Decouple(steps=2, pairs=20, others=20, batch=4, batch_others=4)},
    "decouple-to-other": {"settings": Decouple(steps=2, pairs=20, others=20, batch=4, batch_others=4)},
    "collapsed-by-ascent": {"settings": replace(COLLAPSING, steps=2, rate=1e-2, pictures=4, batch=2, sampling_steps=2)},
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
    assert set(UNLEARNERS) > DAMAGED == {"collapsed", "collapsed-by-ascent", "constant", "noise"}
    assert {name for name in UNLEARNERS if submission_name(name).startswith("control-")} == DAMAGED
