"""Five mistakes in every form of an adapter or a nested release: a wrong rank, a missing part, a foreign key, absurd scale, no numbers.

Each form is also sent without a mistake (:data:`FORMS`), and then it loads: what is refused is refused for its mistake.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from checkpoints.hostile.corpus import CORPUS

State = dict[str, Tensor]
BLOCK = "mid_block.attentions.0"
LAYER = f"{BLOCK}.transformer_blocks.0.attn2.to_k"
FLAT = f"lora_unet_{LAYER.replace('.', '_')}"
ROWS, COLUMNS, RANK = 16, 32, 2
"""Of the layer's weight, and of what is added to it."""
ABSURD, SHAPE = "checkpoint.implausible", "checkpoint.wrong-shape"
UNKNOWN, NOT_FINITE, HALF, UNSUPPORTED = "checkpoint.unknown-keys", "checkpoint.not-finite", "lora.incomplete", "lora.unsupported-update"


class Form(NamedTuple):
    """A form of release without a mistake.

    Attributes:
        tensors: by key, of a layer that the base has.
        part: key of the tensor that is missing, of another rank, absurd or no number.
        foreign: a key that the form does not have.
        save: writes tensors into a folder.
        codes: of the five mistakes; empty where a part may be missing.
    """

    tensors: State
    part: str
    foreign: str
    save: Callable[[Path, State], Path]
    codes: tuple[str, str, str, str, str]


def small(*shape: int) -> Tensor:
    """Some numbers of a trained adapter's size."""
    return 0.01 * (1 + torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape) % 7)


def safetensors(metadata: dict[str, str] | None = None) -> Callable[[Path, State], Path]:
    def save(folder: Path, state: State) -> Path:
        save_file(state, folder / "x.safetensors", metadata)
        return folder / "x.safetensors"

    return save


def pickled(folder: Path, state: State) -> Path:
    torch.save(state, folder / "x.pt")
    return folder / "x.pt"


def by_module(folder: Path, state: State) -> Path:
    """ESD's form: a table of state dicts by module."""
    modules: dict[str, State] = {}
    for key, tensor in state.items():
        modules.setdefault(f"unet.{LAYER.rpartition('.')[0]}", {})[key] = tensor
    torch.save(modules, folder / "x.pt")
    return folder / "x.pt"


def peft(settings: dict[str, object]) -> Callable[[Path, State], Path]:
    def save(folder: Path, state: State) -> Path:
        (folder / "release").mkdir()
        save_file(state, folder / "release" / "adapter_model.safetensors")
        (folder / "release" / "adapter_config.json").write_text(json.dumps({"r": RANK, "lora_alpha": RANK, **settings}))
        return folder / "release"

    return save


def several(folder: Path, state: State) -> Path:
    """SPM: a good file of rank 2 and the file that is tried."""
    (folder / "release").mkdir()
    metadata = {"alpha": "1.0", "rank": str(RANK), "prompts": "star"}
    for name, tensors in (("a", LORA), ("b", state)):
        save_file(tensors, folder / "release" / f"{name}.safetensors", metadata)
    return folder / "release"


LORA = {f"{FLAT}.lora_down.weight": small(RANK, COLUMNS), f"{FLAT}.lora_up.weight": small(ROWS, RANK)}
PEFT = f"base_model.model.{LAYER}"
PEFT_LORA = {f"{PEFT}.lora_A.weight": small(RANK, COLUMNS), f"{PEFT}.lora_B.weight": small(ROWS, RANK)}
LOHA = {f"{FLAT}.hada_w{n}_{side}": small(*((ROWS, RANK) if side == "a" else (RANK, COLUMNS))) for n in (1, 2) for side in "ab"}
LOKR = {f"{FLAT}.lokr_w1": small(2, 4), f"{FLAT}.lokr_w2_a": small(ROWS // 2, RANK), f"{FLAT}.lokr_w2_b": small(RANK, COLUMNS // 4)}
ERASER_SHAPES = {"down.weight": (RANK, ROWS), "down.bias": (RANK,), "up.weight": (ROWS, RANK), "up.bias": (ROWS,)}
ERASER = {f"{BLOCK}.{name}": small(*shape) for name, shape in ERASER_SHAPES.items()}
CUSTOM = {f"{LAYER.rpartition('.')[0]}.processor.to_k_custom_diffusion.weight": small(ROWS, COLUMNS)}
SPM = {"alpha": "1.0", "rank": "2", "prompts": "star"}
FORMS: dict[str, Form] = {
    "a LoRA": Form(
        LORA, f"{FLAT}.lora_up.weight", f"{FLAT}.lora_mid.weight", safetensors(), (SHAPE, HALF, UNSUPPORTED, ABSURD, NOT_FINITE)
    ),
    "PEFT's LoRA": Form(PEFT_LORA, f"{PEFT}.lora_B.weight", f"{PEFT}.lora_C.weight", peft({}), (SHAPE, HALF, UNKNOWN, ABSURD, NOT_FINITE)),
    "a DoRA": Form(
        LORA | {f"{FLAT}.dora_scale": 1 + small(1, COLUMNS)},
        f"{FLAT}.lora_down.weight",
        f"{FLAT}.dora_mean",
        safetensors(),
        (SHAPE, HALF, UNSUPPORTED, ABSURD, NOT_FINITE),
    ),
    "PEFT's DoRA": Form(
        PEFT_LORA | {f"{PEFT}.lora_magnitude_vector": 1 + small(ROWS)},
        f"{PEFT}.lora_magnitude_vector",
        f"{PEFT}.lora_C.weight",
        peft({"use_dora": True}),
        (SHAPE, HALF, UNKNOWN, ABSURD, NOT_FINITE),
    ),
    "a LoHa": Form(LOHA, f"{FLAT}.hada_w2_b", f"{FLAT}.hada_w3_a", safetensors(), (SHAPE, HALF, UNSUPPORTED, NOT_FINITE, NOT_FINITE)),
    "a LoKr": Form(LOKR, f"{FLAT}.lokr_w2_b", f"{FLAT}.lokr_w3", safetensors(), (SHAPE, HALF, UNSUPPORTED, NOT_FINITE, NOT_FINITE)),
    "an SPM": Form(
        LORA, f"{FLAT}.lora_up.weight", f"{FLAT}.lora_mid.weight", safetensors(SPM), (SHAPE, HALF, UNSUPPORTED, ABSURD, NOT_FINITE)
    ),
    "one of several SPMs": Form(
        LORA, f"{FLAT}.lora_up.weight", f"{FLAT}.lora_mid.weight", several, (SHAPE, HALF, UNSUPPORTED, ABSURD, NOT_FINITE)
    ),
    "an eraser": Form(
        ERASER, f"{BLOCK}.up.weight", f"{BLOCK}.side.weight", pickled, (SHAPE, "eraser.incomplete", UNKNOWN, ABSURD, NOT_FINITE)
    ),
    "a learned word": Form({"star": small(32)}, "star", "a.b", pickled, (SHAPE, "checkpoint.no-weights", UNKNOWN, ABSURD, NOT_FINITE)),
    "ESD's nested form": Form(
        {"to_k.weight": small(ROWS, COLUMNS), "to_v.weight": small(ROWS, COLUMNS)},
        "to_k.weight",
        "to_x.weight",
        by_module,
        (SHAPE, "", UNKNOWN, ABSURD, NOT_FINITE),
    ),
    "Custom Diffusion's processors": Form(
        CUSTOM,
        next(iter(CUSTOM)),
        f"{LAYER}.processor.to_x_custom_diffusion.weight",
        pickled,
        (SHAPE, "checkpoint.no-weights", UNKNOWN, ABSURD, NOT_FINITE),
    ),
}
MISTAKES: dict[str, Callable[[Form], State]] = {
    "of another rank": lambda form: form.tensors | {form.part: small(*(size + 1 for size in form.tensors[form.part].shape))},
    "without a part": lambda form: {key: tensor for key, tensor in form.tensors.items() if key != form.part},
    "with a foreign key": lambda form: form.tensors | {form.foreign: small(RANK)},
    "of an absurd scale": lambda form: {key: 1e15 * tensor for key, tensor in form.tensors.items()},
    "of no numbers": lambda form: form.tensors | {form.part: form.tensors[form.part] * float("nan")},
}
for _what, _form in FORMS.items():
    for (_mistake, _make), _code in zip(MISTAKES.items(), _form.codes, strict=True):
        if _code:
            CORPUS[f"{_what} {_mistake}"] = (lambda folder, form=_form, make=_make: form.save(folder, make(form)), _code)  # type: ignore[misc]
