"""The battery's settings: one per probe, and steps that ascend."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from codes import refuses
from unconceal.paths import DataRoot
from unconceal.specs.battery import Battery, ProbeName, Relearning
from unconceal.specs.loader import load_suite
from unconceal.specs.suite import Seeds, Tier

SEEDS = Seeds(train=3, reference=2, evaluation=4, retain=2)


@pytest.mark.parametrize("probe", get_args(ProbeName))
def test_every_probe_has_settings(probe: ProbeName) -> None:
    assert Battery().settings(probe) == getattr(Battery(), probe.replace("-", "_"))


def test_the_settings_of_probes_are_different_objects() -> None:
    assert Battery().settings("relearning") != Battery().settings("textual-inversion")
    frozen = Battery().textual_inversion.learning_rates
    assert frozen.denoiser == frozen.text_encoder == 0 < frozen.nonce


@pytest.mark.parametrize("steps", [(0, 20, 10), (0, 10, 10), (-1, 10)])
def test_steps_ascend_from_0(steps: tuple[int, ...]) -> None:
    with refuses("suite.unsorted-steps"):
        Relearning(steps=steps)


@pytest.mark.parametrize("values", [{"steps": ()}, {"nonce": ""}, {"batch_size": 0}, {"learning_rates": {"denoiser": -1e-5}}])
def test_impossible_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Relearning.model_validate(values)


def test_a_tier_names_known_probes() -> None:
    def tier(*probes: str) -> Tier:
        return Tier.model_validate({"psi": (0, 1), "retain_psi": (0, 1), "seeds": SEEDS, "extractors": ("resnet18",), "probes": probes})

    assert tier().probes == () and tier("relearning").probes == ("relearning",)
    with refuses("literal_error"):
        tier("hypnosis")


@pytest.mark.parametrize("name", ["miniature", "sd14", "sd14-planted"])
def test_the_suites_tiers_hold_more_and_more_probes(name: str) -> None:
    """quick: the handover alone; full: also what nothing is said to be forgotten without; audit: everything."""
    tiers = load_suite(DataRoot.find(), name).tiers
    assert tiers["quick"].probes == ()
    assert "relearning" in tiers["full"].probes and set(tiers["full"].probes) < set(tiers["audit"].probes)
    assert set(tiers["audit"].probes) == set(get_args(ProbeName))
    assert (tiers["full"].psi, tiers["full"].seeds) == (tiers["audit"].psi, tiers["audit"].seeds)
