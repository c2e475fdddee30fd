"""Updates of the base by small factors (LoRA, LoHa, LoKr, each also as DoRA), merged into its weights.

Under the keys of PEFT, of diffusers, of kohya's trainer and of LyCORIS.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from unconceal.checkpoints.formats import peft_settings
from unconceal.checkpoints.key_names import ELSEWHERE, Base, component_of
from unconceal.checkpoints.low_rank import Hadamard, Kronecker, LowRank, Update, Updates, WithMagnitude, modules_by_flat_name
from unconceal.checkpoints.release import Group, Reading
from unconceal.checkpoints.weights_file import shortened
from unconceal.errors import CheckFailed
from unconceal.specs.submission import COMPONENTS

HALVES = {
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora_A.default.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    "_lora.down.weight": "down",
    "_lora.up.weight": "up",
}
HADAMARD = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2")
KRONECKER = ("lokr_w1", "lokr_w2", "lokr_w1_a", "lokr_w1_b", "lokr_w2_a", "lokr_w2_b", "lokr_t2")
MAGNITUDES = (".lora_magnitude_vector.weight", ".lora_magnitude_vector.default.weight", ".lora_magnitude_vector")
COLUMN_MAGNITUDES = ".dora_scale"
"""LyCORIS's lengths, of columns unless their shape says rows; PEFT's are of rows."""
FACTORS: dict[str, str] = {
    **HALVES,
    **{f".{name}": name for name in (*HADAMARD, *KRONECKER)},
    **dict.fromkeys(MAGNITUDES, "magnitude"),
    COLUMN_MAGNITUDES: "dora_scale",
    ".alpha": "alpha",
}
"""Ends of the keys: the factor that the tensor is."""
OTHERS = re.compile(r"\.lora_mid\.|\.lora_[AB]\.bias|\.oft_|\.boft_|\.hra_|\.vera_|\.diff(_b)?$|\.on_input$|\.lora_E$|\.lora_embedding_")
"""Keys of updates that are not applied here, so that they are refused as such."""
KOHYA = {
    "lora_unet_": "unet",
    "lora_te_": "text_encoder",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
    "lora_te3_": "text_encoder_3",
    "lora_transformer_": "transformer",
    "lycoris_": "unet",
}
KOHYA_METADATA = "ss_"
"""Start of the metadata that kohya's trainer writes; others, such as ``format``, any copy of a file may have."""
PEFT_PREFIX = "base_model.model."
DIFFUSERS_SETTINGS = "lora_adapter_metadata"
Factors = dict[str, Tensor]


def select(keys: Sequence[str], component: str | None, metadata: Mapping[str, str]) -> list[str]:
    return [key for key in keys if _ending(key) or OTHERS.search(key) or key.startswith(tuple(KOHYA))]


def _ending(key: str) -> str | None:
    return next((ending for ending in FACTORS if key.endswith(ending)), None)


def read(group: Group, base: Base) -> Reading:
    settings = group.file.settings or _diffusers_settings(group.file.weights.metadata, group.source)
    if not settings and (group.prefix.endswith(PEFT_PREFIX) or any(".default." in key for key in group.tensors)):
        consequence = "is of a model in PEFT without adapter_config.json, so nobody knows its α"
        raise CheckFailed("lora.no-alpha", group.source, consequence, "name the folder with both, or release the merged weights")
    updates = updates_of(group, base, settings)
    _refuse_membranes(group, base, updates)
    return Reading(frozenset(group.tensors), updates=updates)


def updates_of(group: Group, base: Base, settings: Mapping[str, Any], stated_alphas: bool = True) -> dict[str, Updates]:
    """The updates by component and module.

    Args:
        group: tensors of one file.
        base: the base's components.
        settings: PEFT's, of all components or by component.
        stated_alphas: whether α tensors beside the factors count.

    Raises:
        CheckFailed: a key is no factor, a factor is missing, or α is no number.
    """
    layers = {component: modules_by_flat_name(part) for component, part in base.items()}
    factors: dict[str, dict[str, Factors]] = {}
    for key, tensor in group.tensors.items():
        ending = _ending(key)
        if ending is None:
            consequence = f"holds {shortened(key)!r}, which is no factor of a LoRA, LoHa, LoKr or DoRA"
            remedy = "release the merged weights"
            raise CheckFailed("lora.unsupported-update", group.source, f"{consequence}, so merging the rest would be another model", remedy)
        component, module = _component_and_module(key.removesuffix(ending), group.component, layers, group.source)
        parts = factors.setdefault(component, {}).setdefault(module, {})
        if FACTORS[ending] in parts:
            consequence = f"holds two tensors for the {FACTORS[ending]} of {shortened(module)!r}"
            raise CheckFailed("checkpoint.conflicting-tensors", group.source, consequence, "release one update a layer")
        parts[FACTORS[ending]] = tensor
    updates: dict[str, Updates] = {}
    for component, modules in factors.items():
        own = settings.get(component)
        own = own if isinstance(own, dict) else settings
        peft_settings.check_patterns(own, modules, group.source)
        updates[component] = {module: _update(module, parts, own, stated_alphas, group.source) for module, parts in modules.items()}
    return updates


def _update(module: str, parts: Factors, settings: Mapping[str, Any], stated_alphas: bool, source: str) -> Update:
    """The update that a module's factors make."""
    alpha = _number(parts["alpha"], module, source) if "alpha" in parts and stated_alphas else None
    names = parts.keys() - {"alpha", "magnitude", "dora_scale"}
    empty = next((name for name in names if parts[name].ndim < 2 or not parts[name].numel()), None)
    if empty:
        consequence = f"has an update of {module!r} whose {empty} has the shape {tuple(parts[empty].shape)}"
        raise CheckFailed("lora.unsupported-update", source, consequence, "export the LoRA again")
    rank = _rank(parts)
    scale = peft_settings.scale(settings, module, rank, alpha, source)
    update: Update
    if names == {"down", "up"}:
        update = LowRank(parts["down"], parts["up"], scale)
    elif names in (set(HADAMARD), set(HADAMARD[:4])):
        w1_a, w1_b, w2_a, w2_b, *cores = (parts[name] for name in HADAMARD if name in names)
        update = Hadamard((w1_a, w1_b), (w2_a, w2_b), tuple(cores), scale)
    elif names <= set(KRONECKER) and (first := _factors(parts, "lokr_w1")) and (second := _factors(parts, "lokr_w2")):
        update = Kronecker(first, second, parts.get("lokr_t2"), scale)
    else:
        consequence = f"has {shortened(', '.join(sorted(names)) or 'no factor')} of the update of {module!r}, so it updates nothing"
        raise CheckFailed("lora.incomplete", source, consequence, "export the update again")
    if "dora_scale" in parts:
        lengths = parts["dora_scale"]
        return WithMagnitude(update, lengths, along=1 if lengths.ndim > 1 and lengths.shape[0] == 1 else 0)
    if "magnitude" in parts:
        return WithMagnitude(update, parts["magnitude"])
    if settings.get("use_dora"):
        consequence = f"is a DoRA without the magnitudes of {module!r}, so its updates would be others"
        raise CheckFailed("lora.incomplete", source, consequence, "export it again")
    return update


def _factors(parts: Factors, name: str) -> tuple[Tensor, ...] | None:
    """The one matrix, or the two whose product it is; None if neither or both are there."""
    single, pair = parts.get(name), [parts[f"{name}_{side}"] for side in "ab" if f"{name}_{side}" in parts]
    if single is not None:
        return None if pair else (single,)
    return tuple(pair) if len(pair) == 2 else None


def _rank(parts: Factors) -> int | None:
    """The rank of an update; None where no factor shows one."""
    for name, dimension in (("down", 0), ("hada_w1_b", 0), ("lokr_w2_b", 0), ("lokr_w1_b", 0)):
        if name in parts:
            return parts[name].shape[dimension]
    return None


def _component_and_module(name: str, component: str | None, layers: Mapping[str, Mapping[str, str]], source: str) -> tuple[str, str]:
    """Component and module of a key without its ending. ``layers``: of each component, by their names with underscores."""
    for prefix, kohya_component in KOHYA.items():
        if name.startswith(prefix):
            if kohya_component == "unet" and "unet" not in layers:
                kohya_component = "transformer"
            available = layers.get(kohya_component, {})
            flat = name.removeprefix(prefix)
            spellings = (flat, flat.removeprefix("text_model_"), f"text_model_{flat}")
            module = next((available[spelling] for spelling in spellings if spelling in available), None)
            if module is None:
                consequence = f"updates {shortened(name)!r}, which is no layer of the base, so it is for another architecture"
                raise CheckFailed("checkpoint.wrong-architecture", source, consequence, ELSEWHERE)
            return kohya_component, module
    component = component or component_of(f"{name}.")
    if component is None or component not in layers:
        consequence = f"updates {shortened(name)!r}, which belongs to no part of the base, so it is for another architecture"
        raise CheckFailed("checkpoint.wrong-architecture", source, consequence, ELSEWHERE)
    return component, _layer(name, layers[component].values())


def _layer(name: str, layers: Collection[str]) -> str:
    """The layer's current name: older attention processors held the updates of their projections."""
    name = name.replace(".processor.", ".")
    name = f"{name}.0" if name.endswith(".to_out") else name
    return next((spelling for spelling in (name, name.removeprefix("text_model."), f"text_model.{name}") if spelling in layers), name)


def _refuse_membranes(group: Group, base: Base, updates: Mapping[str, Updates]) -> None:
    """Refuse what may be an SPM whose metadata are lost: keys as kohya's without its metadata, for exactly the layers that an SPM updates.

    Raises:
        CheckFailed: the file may be an SPM, and the submission does not say that it is a LoRA.
    """
    by_kohya = any(key.startswith(KOHYA_METADATA) for key in group.file.weights.metadata)
    if by_kohya or group.declared == "lora" or not all(key.startswith("lora_unet_") for key in group.tensors) or set(updates) != {"unet"}:
        return
    transformers = [name for name, module in base["unet"].named_modules() if type(module).__name__ == "Transformer2DModel"]
    layers = {name for name in modules_by_flat_name(base["unet"]).values() if name.startswith(tuple(f"{name}." for name in transformers))}
    if updates["unet"].keys() == layers:
        consequence = "updates the layers that an SPM updates and has no metadata, so it is an SPM without its prompts or a plain LoRA"
        remedy = "release an SPM as the .safetensors that its code saves; for a LoRA say format: lora"
        raise CheckFailed("spm.no-metadata", group.source, consequence, remedy)


def _diffusers_settings(metadata: Mapping[str, str], source: str) -> dict[str, Any]:
    """diffusers' own metadata: settings by component.

    Raises:
        CheckFailed: they are there and cannot be read.
    """
    try:
        stated = json.loads(metadata.get(DIFFUSERS_SETTINGS, "{}"))
    except (ValueError, RecursionError):
        stated = None
    pairs = [(key.partition("."), value) for key, value in stated.items()] if isinstance(stated, dict) else []
    if not isinstance(stated, dict) or any(component not in COMPONENTS for (component, _, _), _ in pairs):
        consequence = f"has metadata {DIFFUSERS_SETTINGS} that are no settings of the base's components, so nobody knows its α"
        raise CheckFailed("lora.bad-metadata", source, consequence, "export the LoRA again")
    settings: dict[str, Any] = {}
    for (component, _, setting), value in pairs:
        settings.setdefault(component, {})[setting] = value
    return settings


def _number(tensor: Tensor, module: str, source: str) -> float:
    if tensor.numel() != 1 or tensor.dtype == torch.bool or not isfinite(value := float(tensor)):
        raise CheckFailed("lora.bad-alpha", source, f"gives α of {shortened(module)!r} no single finite number", "export the LoRA again")
    return value
