"""Inputs of a probe on random weights of any family, with few prompts and few steps."""

from __future__ import annotations

import copy
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from ruamel.yaml import YAML

from diffusion.families.tiny import TINY
from evaluation.tiny import suite_yaml, task_yaml
from unconceal.battery.probe import Examples, ProbeInputs, ProbeScope
from unconceal.diffusion.families import FAMILIES
from unconceal.diffusion.model import Model
from unconceal.generate.image_cache import Pixels
from unconceal.specs.battery import (
    Battery,
    BenignFineTuning,
    InvertedLatents,
    NoiseSearch,
    PromptAttack,
    Relearning,
    Renoising,
    TextualInversion,
    WeightEdits,
)
from unconceal.specs.suite import FamilyName, Suite
from unconceal.specs.task import Task

N_PROMPTS = 4
ATTACK = PromptAttack(n_prompts=3, n_steps=2, n_tokens=2, batch_size=2, images_per_prompt=3)
SMALL = Battery(
    relearning=Relearning(n_examples=4, batch_size=3, steps=(0, 2), nonce="ring", images_per_prompt=2),
    benign_fine_tuning=BenignFineTuning(n_examples=4, batch_size=3, n_steps=2, psi=(0.25, 0.26, 0.5)),
    textual_inversion=TextualInversion(n_examples=4, batch_size=3, steps=(2,), nonce="ring", images_per_prompt=1),
    renoising=Renoising(psi=(0.25, 0.26, 0.5)),
    inverted_latents=InvertedLatents(n_prompts=3),
    noise_search=NoiseSearch(n_prompts=3, n_rounds=2, n_candidates=2),
    embedding_attack=ATTACK,
    token_attack=ATTACK,
    weight_edits=WeightEdits(scales=(0.5,), n_prompts=3),
)


class Bright:
    """A judge that sees the concept in images brighter than the middle."""

    def shows(self, pixels: Pixels, head: str, label: str) -> NDArray[np.bool_]:
        return self.presence_scores(pixels, head, label) > 0.5

    def presence_scores(self, pixels: Pixels, head: str, label: str) -> NDArray[np.float64]:
        return np.asarray(pixels.reshape(len(pixels), -1).mean(axis=1) / 255, np.float64)


def small_suite(family: FamilyName = "stable-diffusion") -> Suite:
    parts = {name: (f"models/{name}", "0" * 64) for name in ("base", "judge", "resnet18", "clip")}
    suite = Suite.model_validate(YAML(typ="safe").load(io.StringIO(suite_yaml(parts, family))))
    return suite.model_copy(update={"battery": SMALL})


def small_task() -> Task:
    return Task.model_validate(YAML(typ="safe").load(io.StringIO(task_yaml())))


def small_inputs(folder: Path, family: FamilyName = "stable-diffusion", batch_size: int = 5) -> ProbeInputs:
    """θ and θ* of random weights; two random latents for each prompt are θ's images of the concept."""
    suite, task = small_suite(family), small_task()
    original, model = (FAMILIES[family].load(TINY[family](folder / f"{family}{seed}", seed), suite.sampler) for seed in (0, 1))
    forget = tuple(prompt.text for prompt in task.forget[:N_PROMPTS])
    retain = tuple(prompt.text for prompt in task.retain[:N_PROMPTS])
    pairs = [prompt for prompt in forget for _ in range(2)]
    return ProbeInputs(
        scope=ProbeScope(suite, forget),
        task=task,
        original=original,
        model=model,
        examples=Examples(tuple(pairs), original.noise(range(len(pairs)))),
        retained=Examples(retain, original.noise(range(100, 100 + len(retain)))),
        judge=Bright(),
        batch_size=batch_size,
    )


def with_settings(inputs: ProbeInputs, **settings: Any) -> ProbeInputs:
    """Other settings of some probes."""
    suite = inputs.scope.suite
    battery = suite.battery.model_copy(update=settings)
    return replace(inputs, scope=replace(inputs.scope, suite=suite.model_copy(update={"battery": battery})))


def weights(model: Model) -> dict[str, torch.Tensor]:
    """Copies of all weights of denoiser and text encoders."""
    parts = {name: getattr(model.pipeline, name, None) for name in (model.denoiser_name, "text_encoder", "text_encoder_2")}
    named = {name: part for name, part in parts.items() if part is not None}
    return {f"{name}.{key}": value.clone() for name, part in named.items() for key, value in part.state_dict().items()}


@dataclass
class Passes:
    """Rows that went through a denoiser, counted at its call; ``largest``: rows of one call."""

    forward: int = 0
    backward: int = 0
    largest: int = 0


def count_passes(monkeypatch: pytest.MonkeyPatch, model: Model) -> Passes:
    """Count the rows of every call of the models of one family from now on; those with gradients count as backward passes too."""
    passes, call = Passes(), type(model).call

    def counted(self: Model, latents: torch.Tensor, *arguments: Any) -> torch.Tensor:
        predicted = call(self, latents, *arguments)
        passes.forward += len(latents)
        passes.largest = max(passes.largest, len(latents))
        if predicted.requires_grad:
            passes.backward += len(latents)
        return predicted

    monkeypatch.setattr(type(model), "call", counted)
    return passes


def broken(model: Model) -> Model:
    """The model with one weight that is not a number, of its denoiser's last layer."""
    pipeline = copy.copy(model.pipeline)
    denoiser = copy.deepcopy(model.denoiser)
    with torch.no_grad():
        list(denoiser.parameters())[-1].fill_(float("nan"))
    setattr(pipeline, model.denoiser_name, denoiser)
    return replace(model, pipeline=pipeline)
