"""A low-rank update of the base (LoRA), under the keys of PEFT, of diffusers or of kohya's trainer, merged into the base's weights."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

from torch import Tensor

from unconceal.checkpoints.folders import check_inside, read_json
from unconceal.checkpoints.key_names import ELSEWHERE, Base, StateDict, component_of
from unconceal.checkpoints.low_rank import Updates, low_rank_updates, merged, modules_by_flat_name
from unconceal.checkpoints.release import OpenedCheckpoint, ReadCheckpoint
from unconceal.checkpoints.weights_file import Weights, read_file, shortened
from unconceal.errors import CheckFailed
from unconceal.hub.allowed_files import select_checkpoint_files
from unconceal.specs.submission import COMPONENTS

PEFT_CONFIG, PEFT_WEIGHTS, PEFT_PREFIX = "adapter_config.json", ("adapter_model.safetensors", "adapter_model.bin"), "base_model.model."
DIFFUSERS_WEIGHTS = ("pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin")
DIFFUSERS_SETTINGS = "lora_adapter_metadata"
HALVES = {
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    "_lora.down.weight": "down",
    "_lora.up.weight": "up",
}
"""Key suffixes of the two factors."""
ALPHA = ".alpha"
KOHYA = {
    "lora_unet_": "unet",
    "lora_te_": "text_encoder",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
    "lora_transformer_": "transformer",
}
SPM_PROMPTS = "prompts"
"""Metadata key of an SPM network, which is not a plain LoRA."""


def detect(opened: OpenedCheckpoint) -> bool:
    if isinstance(opened, Path):
        return (opened / PEFT_CONFIG).is_file() or any((opened / name).is_file() for name in DIFFUSERS_WEIGHTS)
    return low_rank(opened.flat) and SPM_PROMPTS not in opened.metadata


def low_rank(state: StateDict) -> bool:
    """Whether a file holds halves of low-rank updates."""
    return any(key.endswith(tuple(HALVES)) for key in state)


def read(opened: OpenedCheckpoint, base: Base) -> ReadCheckpoint:
    if isinstance(opened, Weights):
        return _flat(opened, base, _diffusers_settings(opened.metadata))
    names = PEFT_WEIGHTS if (opened / PEFT_CONFIG).is_file() else DIFFUSERS_WEIGHTS
    # Only what the digest counts is read.
    counted = select_checkpoint_files(path.name for path in opened.iterdir() if path.is_file())
    paths = [opened / name for name in names if name in counted]
    if not paths:
        raise CheckFailed("checkpoint.no-weights", str(opened), f"has a {PEFT_CONFIG} but no {PEFT_WEIGHTS[0]}", "add the weights")
    weights = read_file(check_inside(paths[0], opened))
    if names is DIFFUSERS_WEIGHTS:
        return _flat(weights, base, _diffusers_settings(weights.metadata))
    return _flat(weights, base, {"": read_json(opened / PEFT_CONFIG, opened)})


def _flat(weights: Weights, base: Base, settings_by_component: Mapping[str, Mapping[str, Any]]) -> ReadCheckpoint:
    source = str(weights.path)
    halves, alphas = halves_of(weights.flat, base, source)
    updates: dict[str, Updates] = {}
    for component, factors in halves.items():
        settings = settings_by_component.get(component) or settings_by_component.get("") or {}
        ranks = {module: tensor.shape[0] for module, half, tensor in factors if half == "down"}
        stated = {module: _alpha(settings, module, rank, source) for module, rank in ranks.items()} if settings else {}
        updates[component] = low_rank_updates(factors, stated | alphas[component], source)
    return ReadCheckpoint(merged(base, updates, source), unused_parts=weights.ignored)


Halves = dict[str, list[tuple[str, str, Tensor]]]


def halves_of(state: StateDict, base: Base, source: str) -> tuple[Halves, dict[str, dict[str, float]]]:
    """(module, half, tensor) and α by module, for each component.

    Raises:
        CheckFailed: a key is neither half nor α: its effect is unknown (DoRA, LoHa, LoKr and the like).
    """
    halves: Halves = {}
    alphas: dict[str, dict[str, float]] = {}
    layers = {component: modules_by_flat_name(part) for component, part in base.items()}
    for key, tensor in state.items():
        ending = next((ending for ending in HALVES if key.endswith(ending)), ALPHA if key.endswith(ALPHA) else None)
        if ending is None:
            consequence = f"holds {shortened(key)!r}, which is no half of a plain low-rank update"
            raise CheckFailed(
                "lora.unsupported-update",
                source,
                f"{consequence}, so merging the rest would be another model",
                "release the merged weights",
            )
        component, module = _component_and_module(key.removesuffix(ending), layers, source)
        if ending == ALPHA:
            alphas.setdefault(component, {})[module] = _number(tensor, key, source)
        else:
            halves.setdefault(component, []).append((module, HALVES[ending], tensor))
    return halves, {component: alphas.get(component, {}) for component in halves}


def _component_and_module(name: str, layers: Mapping[str, Mapping[str, str]], source: str) -> tuple[str, str]:
    """Component and module of a key without its suffix. ``layers``: of each component, by their names with underscores."""
    for prefix, component in KOHYA.items():
        if name.startswith(prefix):
            available = layers.get(component, {})
            flat = name.removeprefix(prefix)
            spellings = (flat, flat.removeprefix("text_model_"), f"text_model_{flat}")
            module = next((available[spelling] for spelling in spellings if spelling in available), None)
            if module is None:
                consequence = f"updates {shortened(name)!r}, which is no layer of the base, so it is for another architecture"
                raise CheckFailed("checkpoint.wrong-architecture", source, consequence, ELSEWHERE)
            return component, module
    name = name.removeprefix(PEFT_PREFIX)
    part = component_of(f"{name}.")
    if part is None or part not in layers:
        consequence = f"updates {shortened(name)!r}, which belongs to no part of the base, so it is for another architecture"
        raise CheckFailed("checkpoint.wrong-architecture", source, consequence, ELSEWHERE)
    return part, _layer(name.removeprefix(f"{part}."), layers[part].values())


def _layer(name: str, layers: Collection[str]) -> str:
    """The layer's current name: older attention processors held the updates of their projections."""
    name = name.replace(".processor.", ".")
    name = f"{name}.0" if name.endswith(".to_out") else name
    return next((spelling for spelling in (name, name.removeprefix("text_model."), f"text_model.{name}") if spelling in layers), name)


def _diffusers_settings(metadata: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """diffusers' own metadata: settings by component."""
    try:
        stated = json.loads(metadata.get(DIFFUSERS_SETTINGS, "{}"))
    except (ValueError, RecursionError):
        return {}
    settings: dict[str, dict[str, Any]] = {}
    for key, value in stated.items() if isinstance(stated, dict) else ():
        component, _, setting = key.partition(".")
        if component in COMPONENTS:
            settings.setdefault(component, {})[setting] = value
    return settings


def _alpha(settings: Mapping[str, Any], module: str, rank: int, source: str) -> float:
    """α of a module as PEFT's settings say, so that s = α / r holds (rank-stabilised: s = α / √r)."""
    if settings.get("use_dora"):
        raise CheckFailed("lora.unsupported-update", source, "is a DoRA, which no plain merge reproduces", "release the merged weights")
    patterns = settings.get("alpha_pattern") or {}
    if not isinstance(patterns, dict) or any(not re.fullmatch(r"[\w.]+", str(pattern)) for pattern in patterns):
        raise CheckFailed(
            "lora.unsupported-alpha",
            source,
            "gives α by patterns, which are not followed here",
            "name the modules plainly, or release the merged weights",
        )
    alpha = next(
        (value for name, value in patterns.items() if module == name or module.endswith(f".{name}")), settings.get("lora_alpha", rank)
    )
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not isfinite(alpha):
        raise CheckFailed("lora.bad-alpha", source, f"says α is {shortened(repr(alpha))}, which is no number", "export the LoRA again")
    return float(alpha) * (sqrt(rank) if settings.get("use_rslora") else 1.0)


def _number(tensor: Tensor, key: str, source: str) -> float:
    if tensor.numel() != 1 or not isfinite(value := float(tensor)):
        raise CheckFailed("lora.bad-alpha", source, f"gives {shortened(key)!r} no single finite number", "export the LoRA again")
    return value
