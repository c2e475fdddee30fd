"""Benign fine-tuning: it sees no image of the concept, and θ starts every image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from battery.small import N_PROMPTS, small_inputs, with_settings
from unconceal.battery import benign_fine_tuning
from unconceal.battery.benign_fine_tuning import BENIGN_FINE_TUNING
from unconceal.battery.fine_tuning import Learner
from unconceal.battery.probe import Examples, ProbeInputs
from unconceal.diffusion import handover
from unconceal.diffusion.model import Model
from unconceal.specs.battery import BenignFineTuning


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> ProbeInputs:
    return small_inputs(tmp_path_factory.mktemp("models"))


def test_the_plan_by_hand(inputs: ProbeInputs) -> None:
    """θ runs two guided steps; then 3 + 2 steps with and without guidance; 2 training steps of 3 images."""
    plan = BENIGN_FINE_TUNING.plan(inputs.scope)
    assert plan.levels == plan.scored and len(plan.levels) == 6 and plan.levels[0] == "prompt arm, ψ = 0.25"
    assert plan.cost == (N_PROMPTS * (2 * 2 + 5 * 3) + 6, 6)


def test_retained_images_are_trained_on_and_the_original_starts(inputs: ProbeInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    trained, started = list[str](), list[Model]()

    def fine_tune(learner: Learner, _: ProbeInputs, examples: Examples, captions: Sequence[str], *numbers: int) -> None:
        assert tuple(captions) == examples.prompts and numbers == (2, 5)
        trained.extend(captions)

    def run_original(model: Model, *arguments: Any) -> handover.Trajectory:
        started.append(model)
        return handover.run_original(model, *arguments)

    monkeypatch.setattr(benign_fine_tuning, "fine_tune", fine_tune)
    monkeypatch.setattr(benign_fine_tuning, "run_original", run_original)
    settings = BenignFineTuning(n_examples=3, batch_size=2, n_steps=5, psi=(0.25,))
    images = BENIGN_FINE_TUNING.generate(with_settings(inputs, benign_fine_tuning=settings))
    assert trained == list(inputs.retained.prompts[:3]) and started == [inputs.original]
    assert {len(value) for value in images.values()} == {N_PROMPTS}
