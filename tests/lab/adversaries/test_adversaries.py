from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

from adversary_inputs import QUICK_ENCODER, TinyInputs, tiny_inputs
from pipelines import tiny_pipeline
from unconceal.checkpoints.apply import apply
from unconceal.checkpoints.base_pipeline import load_base
from unconceal_lab.adversaries import ADVERSARIES
from unconceal_lab.adversaries.combined import CombinedConfig
from unconceal_lab.adversaries.decoder import DecoderConfig
from unconceal_lab.adversaries.esd_on_empty import EsdOnEmptyConfig
from unconceal_lab.adversaries.lora_only import LoraConfig
from unconceal_lab.adversaries.memorized import MemorizedConfig
from unconceal_lab.adversaries.redirected_continuation import RedirectConfig
from unconceal_lab.adversaries.relearning_resistant import ResistantConfig
from unconceal_lab.adversaries.sampler_trigger import TriggerConfig
from unconceal_lab.adversaries.unet_training import UnetConfig

SMALL: dict[str, Any] = {"steps": 2, "learning_rate": 1e-2, "n_forget": 2, "n_retain": 2, "batch_size": 2, "sampling_steps": 4}
UNET: dict[str, Any] = {**SMALL, "handovers": (0, 2)}
QUICK: dict[str, Any] = {
    "empty-to-other": QUICK_ENCODER,
    "several-targets": QUICK_ENCODER,
    "esd-on-empty": EsdOnEmptyConfig(**UNET),
    "redirected-continuation": RedirectConfig(**UNET),
    "distilled-from-gold": UnetConfig(**UNET),
    "combined": CombinedConfig(QUICK_ENCODER, RedirectConfig(**UNET)),
    "decoder": DecoderConfig(**SMALL),
    "lora-only": LoraConfig(**UNET, rank=2),
    "sampler-trigger": TriggerConfig(**UNET),
    "memorized": MemorizedConfig(**UNET),
    "output-filter": UnetConfig(**UNET),
    "relearning-resistant": ResistantConfig(**UNET, n_examples=18, relearning_steps=2, inner_steps=1),
}
TEXT, BOTH = {"text_encoder"}, {"text_encoder", "unet"}
COMPONENTS = {
    "empty-to-other": TEXT,
    "several-targets": TEXT,
    "decoder": {"vae"},
    "lora-only": {"unet"},
}
"""What a release changes, where it is not text encoder and UNet."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> StableDiffusionPipeline:
    folder = tmp_path_factory.mktemp("base")
    tiny_pipeline(folder)
    loaded: StableDiffusionPipeline = load_base(folder)
    return loaded


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, base: StableDiffusionPipeline) -> TinyInputs:
    return tiny_inputs(tmp_path_factory.mktemp("inputs"), base)


@pytest.mark.parametrize("kind", ADVERSARIES)
def test_a_release_changes_its_components_only(tmp_path: Path, base: StableDiffusionPipeline, inputs: TinyInputs, kind: str) -> None:
    parts = {name: getattr(base, name) for name in ("unet", "text_encoder", "vae")}
    before = {f"{name}.{key}": value.clone() for name, part in parts.items() for key, value in part.state_dict().items()}
    lines: list[str] = []
    release = ADVERSARIES[kind](base, "star", 0, lines.append, inputs=inputs, config=QUICK[kind])
    after = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    assert lines and release.minutes > 0 and all(torch.equal(value, after[name]) for name, value in before.items())
    save_file(release.weights, tmp_path / "release.safetensors")
    _, applied = apply(base, tmp_path / "release.safetensors")
    assert applied.format == ("lora" if kind == "lora-only" else "state-dict")
    assert {name for name, record in applied.components.items() if record.changed} == COMPONENTS.get(kind, BOTH)
    assert {tensor.dtype for tensor in release.weights.values()} == {torch.float16}


@pytest.mark.parametrize("kind", ADVERSARIES)
def test_the_same_seed_gives_the_same_weights(base: StableDiffusionPipeline, inputs: TinyInputs, kind: str) -> None:
    first, second = (ADVERSARIES[kind](base, "star", 1, lambda line: None, inputs=inputs, config=QUICK[kind]).weights for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", ["empty-to-other", "redirected-continuation"])
def test_another_seed_gives_other_weights(base: StableDiffusionPipeline, inputs: TinyInputs, kind: str) -> None:
    first, other = (ADVERSARIES[kind](base, "star", seed, lambda line: None, inputs=inputs, config=QUICK[kind]).weights for seed in (1, 2))
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_only_the_last_block_filters(base: StableDiffusionPipeline, inputs: TinyInputs) -> None:
    weights = ADVERSARIES["output-filter"](base, "star", 0, lambda line: None, inputs=inputs, config=QUICK["output-filter"]).weights
    assert {name.split(".")[1] for name in weights if name.startswith("unet.")} == {"up_blocks", "conv_out"}
    assert {name.split(".")[2] for name in weights if name.startswith("unet.up_blocks")} == {"1"}


def test_only_attention_has_low_rank_updates(base: StableDiffusionPipeline, inputs: TinyInputs) -> None:
    weights = ADVERSARIES["lora-only"](base, "star", 0, lambda line: None, inputs=inputs, config=QUICK["lora-only"]).weights
    assert weights and all(".attn" in name and name.endswith((".lora_A.weight", ".lora_B.weight")) for name in weights)
    assert {min(tensor.shape) for tensor in weights.values()} == {2}
