"""Verify that a released component fits the base and changes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from unconceal.checkpoints.folders import read_json
from unconceal.checkpoints.key_names import ELSEWHERE, LEGACY_BUFFERS, Base, StateDict
from unconceal.checkpoints.release import Release, SpmNetwork
from unconceal.checkpoints.weights_file import check_floating, shortened
from unconceal.errors import CheckFailed
from unconceal.specs.record import ComponentRecord

PRECISIONS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""Floating point formats, from fine to coarse."""

ARCHITECTURE_SETTINGS: dict[str, tuple[str, ...]] = {
    "unet": (
        *("attention_head_dim", "num_attention_heads", "norm_num_groups", "act_fn", "resnet_time_scale_shift", "norm_eps"),
        *("flip_sin_to_cos", "freq_shift", "mid_block_scale_factor", "only_cross_attention", "center_input_sample", "cross_attention_norm"),
        *("class_embed_type", "addition_embed_type", "time_embedding_act_fn", "timestep_post_act", "resnet_out_scale_factor"),
    ),
    "transformer": ("attention_head_dim", "num_attention_heads", "guidance_embeds"),
    "text_encoder": ("num_attention_heads", "hidden_act", "layer_norm_eps", "num_hidden_layers"),
    "text_encoder_2": ("num_attention_heads", "hidden_act", "layer_norm_eps", "num_hidden_layers"),
    "vae": ("norm_num_groups", "act_fn", "scaling_factor", "shift_factor", "latents_mean", "latents_std"),
    "scheduler": ("prediction_type", "num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "trained_betas"),
}
"""Settings that change the model without changing the shapes of its weights."""
OTHER = "another architecture"
PREDICTION = "modelspec.prediction_type"
"""Key of the metadata by which trainers say what a denoiser predicts: ``epsilon`` or ``v``."""
PIECE = 2**16
"""Elements of a tensor that are looked at together: as many as stay in a processor's cache."""
UNCHECKED_CLASSES = ("scheduler", "tokenizer", "tokenizer_2", "tokenizer_3", "safety_checker", "feature_extractor", "image_encoder")
"""Components of which libraries have several equal classes, or which the suite sets itself."""
MAX_RELATIVE_CHANGE = 100.0
"""‖θ* − θ‖ / ‖θ‖ of a component; unlearners stay below 1, and weights of pure noise near it."""


def check_configs(pipe: DiffusionPipeline, folder: Path) -> None:
    """Compare the config files of a released folder with the base.

    Raises:
        CheckFailed: a setting differs, e.g. the model predicts v where the base predicts ε.
    """
    _check_classes(pipe, folder)
    for part in ARCHITECTURE_SETTINGS:
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        places = (folder / part, folder / f"{part}_ema", *((folder,) if part == "scheduler" else ()))
        for path in (place / name for place in places):
            if path.is_file() and getattr(pipe, part, None) is not None:
                _check_settings(pipe, part, read_json(path, folder), path)
    if (path := folder / "config.json").is_file():
        _check_root_config(pipe, read_json(path, folder), path)


def _check_settings(pipe: DiffusionPipeline, part: str, stated: Mapping[str, Any], path: Path) -> None:
    """Compare the settings of one component."""
    config = getattr(pipe, part).config
    base_config = config.to_dict() if part.startswith("text_encoder") else config
    for key in ARCHITECTURE_SETTINGS[part]:
        if key in stated and key in base_config and stated[key] != json.loads(json.dumps(base_config[key])):
            consequence = f"says {key} {shortened(repr(stated[key]))} where the base has {base_config[key]!r}, so it is {OTHER}"
            raise CheckFailed("checkpoint.wrong-architecture", str(path), consequence, ELSEWHERE)


def _check_root_config(pipe: DiffusionPipeline, stated: Mapping[str, Any], path: Path) -> None:
    """Compare the settings of a component at the root of a release: of the one whose class they name, or of the denoiser."""
    base: Any = pipe
    parts = {name: type(part).__name__ for name, part in base.components.items() if name in ARCHITECTURE_SETTINGS and part is not None}
    architectures = stated.get("architectures")
    said = stated.get("_class_name") or (architectures[0] if isinstance(architectures, list) and architectures else None)
    named = [name for name, kind in parts.items() if kind == said]
    if said is not None and not named:
        consequence = f"is of a {shortened(repr(said))}, which the base does not have, so its images would be others"
        raise CheckFailed("checkpoint.other-class", str(path), consequence, f"release weights of one of {', '.join(parts.values())} alone")
    denoisers = [name for name in ("unet", "transformer") if name in parts]
    flaws: list[CheckFailed] = []
    for name in named or denoisers:
        try:
            _check_settings(pipe, name, stated, path)
        except CheckFailed as error:
            flaws.append(error)
    # Of two text encoders of one class, it may be either's.
    if flaws and len(flaws) == len(named or denoisers):
        raise flaws[0]


def _check_classes(pipe: DiffusionPipeline, folder: Path) -> None:
    """Check that a folder's classes are the base's: code of a release is never run, and another pipeline draws other images.

    Raises:
        CheckFailed: the pipeline, or a component, is of another class.
    """
    base: Any = pipe
    parts = {name: type(part).__name__ for name, part in base.components.items() if part is not None and name not in UNCHECKED_CLASSES}
    index_path = folder / "model_index.json"
    index = read_json(index_path, folder) if index_path.is_file() else {}
    stated = [("_class_name", index.get("_class_name"), index_path), *((name, _class(index.get(name)), index_path) for name in parts)]
    for name in parts:
        config = folder / name / "config.json"
        content = read_json(config, folder) if config.is_file() else {}
        stated.append((name, "auto_map" if "auto_map" in content else content.get("_class_name"), config))
    expected = {"_class_name": type(base).__name__, **parts}
    for name, said, path in stated:
        if said is not None and said != expected[name]:
            consequence = f"says that {name} is {shortened(repr(said))}, where the base has {expected[name]}, so its images would be others"
            raise CheckFailed("checkpoint.other-class", str(path), consequence, f"release weights of {expected[name]} alone")


def _class(entry: Any) -> Any:
    """The class that an entry of model_index.json names."""
    return entry[-1] if isinstance(entry, list) and entry else None


def check_buffers(pipe: DiffusionPipeline, buffers: StateDict, source: str) -> None:
    """Compare a noise schedule and a latent scale that a release holds with the base's.

    Raises:
        CheckFailed: they differ, so the weights were trained for others.
    """
    base: Any = pipe
    products = getattr(base.scheduler, "alphas_cumprod", None)
    own = {} if products is None else noise_buffers(products)
    if getattr(base, "vae", None) is not None:
        own["scale_factor"] = torch.tensor(float(base.vae.config.scaling_factor))
    for name, released in buffers.items():
        expected = own.get(name)
        if expected is None:
            consequence = f"holds {name}, which the base's noise schedule does not have, so it is {OTHER}"
            raise CheckFailed("checkpoint.wrong-architecture", source, consequence, ELSEWHERE)
        precision = torch.finfo(released.dtype).eps if released.is_floating_point() else 0.0
        near = released.shape == expected.shape and torch.allclose(
            released.double().cpu(), expected.double().cpu(), rtol=max(1e-3, 2 * precision), atol=1e-6
        )
        if not near:
            consequence = f"holds {name} of another noise schedule or latent space than the base's, so it is {OTHER}"
            raise CheckFailed("checkpoint.wrong-architecture", source, consequence, ELSEWHERE)


def check_prediction(pipe: DiffusionPipeline, release: Release) -> None:
    """Compare what a file's own metadata say that its denoiser predicts with what the base's predicts.

    Raises:
        CheckFailed: it is another quantity, so every step would go wrong.
    """
    base: Any = pipe
    expected = base.scheduler.config.get("prediction_type")
    for file in release.files:
        said = file.weights.metadata.get(PREDICTION)
        if said is not None and expected is not None and said[:1] != expected[:1]:
            consequence = f"says {PREDICTION} {shortened(said)!r} where the base predicts {expected!r}, so it is {OTHER}"
            raise CheckFailed("checkpoint.wrong-architecture", str(file.weights.path), consequence, ELSEWHERE)


def noise_buffers(products: Tensor) -> StateDict:
    """What the original code saves of a noise schedule, (n,) each, from ᾱ of every timestep."""
    products = products.double()
    before, sigmas = torch.cat([products.new_ones(1), products[:-1]]), ((1 - products) / products).sqrt()
    return {
        "betas": 1 - products / before,
        "alphas_cumprod": products,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": products.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - products).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - products).log(),
        "sqrt_recip_alphas_cumprod": products.rsqrt(),
        "sqrt_recipm1_alphas_cumprod": sigmas,
        "denoiser.sigmas": sigmas,
        "denoiser.log_sigmas": sigmas.log(),
    }


class Difference(NamedTuple):
    """Of one tensor: whether it changed, ‖new − base‖², and ‖base‖²."""

    changed: bool
    squared: float
    base: float


class Verified(NamedTuple):
    """What is said of a component: its entry in the record, and warnings."""

    record: ComponentRecord
    warnings: tuple[str, ...]


MAX_CHANGE = 0.5
"""‖θ* − θ‖ / ‖θ‖ over the released tensors above which a component gets a warning: methods stay far below it."""


def _counts_up(positions: Tensor) -> bool:
    """Whether positions are 0, 1, 2, …, as newer libraries compute them."""
    return torch.equal(positions.flatten().long().cpu(), torch.arange(positions.numel()))


def check_complete(component: str, base: StateDict, state: StateDict, source: str) -> None:
    """Check that a release holds all of a component.

    Raises:
        CheckFailed: a tensor is missing.
    """
    missing = [key for key in base if key not in state]
    if missing:
        consequence = f"{len(missing)} of {len(base)} {component} tensors are missing, e.g. {missing[0]!r}"
        remedy = "export the whole component, or release the changed tensors as one state dict"
        raise CheckFailed("checkpoint.missing-keys", source, consequence, remedy)


def verify_component(component: str, base: StateDict, state: StateDict, source: str) -> Verified:
    """Verify the new tensors of a component and measure their change.

    Args:
        component: its name.
        base: its state dict in the base.
        state: the new tensors under the base's keys.
        source: file name for error messages.

    Raises:
        CheckFailed: keys the base doesn't have, other shapes, NaN or infinity.
    """
    unexpected = [key for key in state if key not in base]
    unknown = [key for key in unexpected if not key.endswith(LEGACY_BUFFERS) or not _counts_up(state[key])]
    if unknown:
        consequence = f"{len(unknown)} of {len(state)} {component} keys are unknown to the base, e.g. {unknown[0]!r}, so it is {OTHER}"
        raise CheckFailed("checkpoint.unknown-keys", source, consequence, ELSEWHERE)
    matched = [key for key in state if key in base]
    differences = {key: _difference(component, key, base[key], state[key], source) for key in matched}
    size = sum(result.base for result in differences.values()) + sum(squared(base[key]) for key in base if key not in differences)
    change = sum(result.squared for result in differences.values())
    record = ComponentRecord(
        matched=len(matched),
        missing=len(base) - len(matched),
        unexpected=len(unexpected),
        changed=sum(result.changed for result in differences.values()),
        relative_change=float((change / max(size, torch.finfo(torch.float32).tiny)) ** 0.5),
    )
    return Verified(record, tuple(_warnings(component, {key: value for key, value in differences.items() if value.changed}, state)))


def _warnings(component: str, changed: Mapping[str, Difference], state: StateDict) -> Iterator[str]:
    """Whether the weights look like those of another model, or like a difference of weights."""
    base = sum(result.base for result in changed.values())
    change = (sum(result.squared for result in changed.values()) / base) ** 0.5 if base else 0.0
    if change <= MAX_CHANGE:
        return
    length = (sum(squared(state[key]) for key in changed) / base) ** 0.5
    text = f"{component}: the changed tensors moved by {change:.3g} of their length"
    if length < MAX_CHANGE:
        yield f"{text} and are {length:.3g} times as long as the base's, as if the difference to the base had been saved instead of weights"
    else:
        yield f"{text}, as if they were of a model that was trained from another base"


def _difference(component: str, key: str, base: Tensor, new: Tensor, source: str) -> Difference:
    if new.shape != base.shape:
        consequence = f"{component} {key!r} has shape {tuple(new.shape)}, the base {tuple(base.shape)}, so it is {OTHER}"
        raise CheckFailed("checkpoint.wrong-shape", source, consequence, ELSEWHERE)
    if base.is_floating_point():
        check_floating((new,), f"{component} {key!r}", source)
    here = new.to(base.device)
    change, size = squared_change(base, here), squared(base)
    # A finite sum of squares has finite terms; in another precision the terms may still overflow.
    doubtful = here.dtype != base.dtype or not isfinite(change)
    if doubtful and not here.to(base.dtype).isfinite().all():
        consequence = f"{component} {key!r} holds NaN or infinite weights in {base.dtype}, so every image would be noise"
        raise CheckFailed("checkpoint.not-finite", source, consequence, "export the weights again in float32 and check the training")
    # The squares of tiny changes may vanish, so only a sum above 0 tells.
    changed = not same(base, here) if here.dtype != base.dtype or not change > 0 else True
    return Difference(changed, change, size)


def squared_change(base: Tensor, new: Tensor) -> float:
    """‖new − base‖² of two tensors of one shape, whatever their precisions."""
    pairs = zip(torch.split(base.flatten(), PIECE), torch.split(new.flatten(), PIECE), strict=True)
    return sum(_squared(there.float() - here.float()) for here, there in pairs)


def squared(tensor: Tensor) -> float:
    """‖tensor‖²."""
    return sum(_squared(piece.float()) for piece in torch.split(tensor.flatten(), PIECE))


def _squared(flat: Tensor) -> float:
    total = float(flat.dot(flat))
    return total if total < float("inf") else float(flat.double().dot(flat.double()))


def relative(squared_changes: Sequence[float], base: StateDict) -> float:
    """‖change‖ / ‖base‖ from the squared length of each tensor's change."""
    size = sum(squared(tensor) for tensor in base.values())
    return float((sum(squared_changes) / max(size, torch.finfo(torch.float32).tiny)) ** 0.5)


def same(base: Tensor, new: Tensor) -> bool:
    """Equal at the coarser of the two precisions: the base stored as fp16 is not an unlearned model."""
    if base.dtype == new.dtype:
        return torch.equal(base, new)
    coarser = max(base.dtype, new.dtype, key=lambda dtype: PRECISIONS.index(dtype) if dtype in PRECISIONS else -1)
    return torch.equal(base.to(coarser), new.to(coarser))


def verify_spm(spm: SpmNetwork, base: Base) -> ComponentRecord:
    """Measure what an SPM network adds to the base at full strength; modules count as tensors."""
    weights = base[spm.component].state_dict()
    added = []
    for name in spm.modules:
        shape = tuple(weights[f"{name}.weight"].shape)
        added.append(squared(sum((m.updates[name].product(shape) for m in spm.membranes if name in m.updates), torch.zeros(shape))))
    return ComponentRecord(
        matched=len(added),
        missing=len(weights) - len(added),
        unexpected=0,
        changed=sum(square > 0 for square in added),
        relative_change=relative(added, weights),
    )


def check_change(components: dict[str, ComponentRecord], source: str, unused_parts: Sequence[str] = ()) -> None:
    """Check that a checkpoint changes something.

    Raises:
        CheckFailed: it holds no tensor of the base, or only tensors equal to the base's.
    """
    if not any(record.matched for record in components.values()):
        raise CheckFailed(
            "checkpoint.no-weights", source, "holds no tensor of any part of the base", "release weights under diffusers' keys"
        )
    largest = max(components, key=lambda name: components[name].relative_change)
    if not components[largest].relative_change <= MAX_RELATIVE_CHANGE:
        consequence = f"changes the {largest} by {components[largest].relative_change:.3g} times its own size, so it is no model any more"
        raise CheckFailed("checkpoint.implausible", source, consequence, "check the scale of the weights, and the alpha of a LoRA")
    if not any(record.changed for record in components.values()):
        consequence = f"equals the base in all {sum(record.matched for record in components.values())} tensors, so nothing was unlearned"
        note = f" (left out: {'; '.join(unused_parts)})" if unused_parts else ""
        raise CheckFailed(
            "checkpoint.no-change",
            source,
            consequence + note,
            "check which weights were exported (a common slip is the untouched EMA copy)",
        )
