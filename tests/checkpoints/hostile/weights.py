"""Well-formed files of weights that are no model of ours."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from checkpoints.hostile.corpus import CORPUS, KEY, put, saved, tries


@tries("weights that are not numbers", "checkpoint.not-finite")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.full((8,), float("nan"))})


@tries("infinite weights", "checkpoint.not-finite")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.full((8,), float("inf"))})


@tries("weights that overflow in the base's precision", "checkpoint.not-finite")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.full((8,), 1e300, dtype=torch.float64)})


@tries("whole numbers for weights", "checkpoint.not-floating")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.full((8,), 2**40)})


@tries("weights of another shape", "checkpoint.wrong-shape")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.ones(9)})


@tries("a key that closes the page's tag", "checkpoint.unknown-keys")
def _(folder: Path) -> Path:
    return saved(folder, {"</td><script>alert(1)</script>": torch.ones(8)})


@tries("a key with a line break and an escape", "checkpoint.unknown-keys")
def _(folder: Path) -> Path:
    return saved(folder, {"x\n\x1b[31mred": torch.ones(8)})


@tries("a format string for a key", "checkpoint.unknown-keys")
def _(folder: Path) -> Path:
    return saved(folder, {"{0.__class__}%s%n": torch.ones(8)})


MATRIX = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"
MODULE = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k"


@tries("a LoRA of rank 0", "lora.unsupported-update")
def _(folder: Path) -> Path:
    return saved(folder, {f"{MODULE}.lora_down.weight": torch.ones(0, 32), f"{MODULE}.lora_up.weight": torch.ones(16, 0)})


@tries("a LoRA of numbers", "lora.unsupported-update")
def _(folder: Path) -> Path:
    return saved(folder, {f"{MODULE}.lora_down.weight": torch.tensor(1.0), f"{MODULE}.lora_up.weight": torch.tensor(1.0)})


@tries("a LoHa whose product has a terabyte", "checkpoint.wrong-shape")
def _(folder: Path) -> Path:
    parts = {f"{MODULE}.hada_w{n}_{side}": torch.ones((500_000, 1) if side == "a" else (1, 500_000)) for n in (1, 2) for side in "ab"}
    return saved(folder, parts)


@tries("a LoKr whose product has a terabyte", "checkpoint.wrong-shape")
def _(folder: Path) -> Path:
    return saved(folder, {f"{MODULE}.lokr_w1": torch.ones(1000, 1000), f"{MODULE}.lokr_w2": torch.ones(1000, 1000)})


@tries("DoRA's lengths of another number", "checkpoint.wrong-shape")
def _(folder: Path) -> Path:
    halves = {f"{MODULE}.lora_down.weight": torch.ones(2, 32), f"{MODULE}.lora_up.weight": torch.ones(16, 2)}
    return saved(folder, {**halves, f"{MODULE}.dora_scale": torch.ones(7, 3)})


@tries("an eraser of another width", "checkpoint.wrong-shape")
def _(folder: Path) -> Path:
    parts = {"down.weight": torch.ones(4, 9), "down.bias": torch.ones(4), "up.weight": torch.ones(9, 4), "up.bias": torch.ones(9)}
    return saved(folder, {f"mid_block.attentions.0.{name}": tensor for name, tensor in parts.items()})


@tries("an eraser that is one number", "checkpoint.wrong-shape")
def _(folder: Path) -> Path:
    parts = ("down.weight", "down.bias", "up.weight", "up.bias")
    return saved(folder, {f"mid_block.attentions.0.{name}": torch.tensor(1.0) for name in parts})


@tries("an embedding of no dimension", "checkpoint.wrong-shape")
def _(folder: Path) -> Path:
    return saved(folder, {"star": torch.tensor(1.0)})


@tries("an embedding with no row", "embedding.unknown-token")
def _(folder: Path) -> Path:
    return saved(folder, {"star": torch.ones(0, 32)})


@tries("a FLUX transformer of one number", "checkpoint.unknown-component")
def _(folder: Path) -> Path:
    return saved(folder, {"double_blocks.0.img_attn.qkv.weight": torch.tensor(1.0)})


@tries("a CompVis block of one number", "checkpoint.wrong-architecture")
def _(folder: Path) -> Path:
    return saved(folder, {"input_blocks.99999999.0.in_layers.0.weight": torch.tensor(1.0)})


DOWN, UP = torch.full((2, 32), 0.01), torch.full((16, 2), 0.01)
ERASER = {"down.weight": (4, 16), "down.bias": (4,), "up.weight": (16, 4), "up.bias": (16,)}


def lora(down: torch.Tensor = DOWN, up: torch.Tensor = UP, **others: torch.Tensor) -> dict[str, torch.Tensor]:
    """A LoRA of one layer, under kohya's keys."""
    return {f"{MODULE}.{name}": tensor for name, tensor in {"lora_down.weight": down, "lora_up.weight": up, **others}.items()}


def loha(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    shapes = {"a": (16, 2), "b": (2, 32)}
    return {f"{MODULE}.hada_w{n}_{side}": torch.ones(shape).to(dtype) for n in (1, 2) for side, shape in shapes.items()}


def eraser(value: float, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    return {f"mid_block.attentions.0.{name}": torch.full(shape, value).to(dtype) for name, shape in ERASER.items()}


WHOLE, ABSURD = "checkpoint.not-floating", "checkpoint.implausible"
ABSURD_STATES: dict[str, tuple[dict[str, torch.Tensor], str]] = {
    "α of 1e38": (lora(alpha=torch.tensor(1e38)), ABSURD),
    "α of -1e30": (lora(alpha=torch.tensor(-1e30)), ABSURD),
    "α beyond float32": (lora(alpha=torch.tensor(1e300, dtype=torch.float64)), "checkpoint.not-finite"),
    "α that is no number": (lora(alpha=torch.tensor(float("nan"))), "lora.bad-alpha"),
    "α that is infinite": (lora(alpha=torch.tensor(float("inf"))), "lora.bad-alpha"),
    "α of two numbers": (lora(alpha=torch.ones(2)), "lora.bad-alpha"),
    "α that is a truth value": (lora(alpha=torch.tensor(True)), "lora.bad-alpha"),
    "truth values as both halves of a LoRA": (lora(DOWN.bool(), UP.bool()), WHOLE),
    "truth values as one half of a LoRA": (lora(up=UP.bool()), WHOLE),
    "bytes as halves of a LoRA": (lora(DOWN.byte(), UP.byte()), WHOLE),
    "whole numbers as one half of a LoRA": (lora(DOWN.long()), WHOLE),
    "halves of 1e30": (lora(DOWN * 1e32, UP * 1e32), "checkpoint.not-finite"),
    "halves whose product is 1e30": (lora(DOWN * 1e17, UP * 1e17), ABSURD),
    "halves beyond float32": (lora(DOWN.double() * 1e300), "checkpoint.not-finite"),
    "halves that are not numbers": (lora(DOWN * float("nan")), "checkpoint.not-finite"),
    "truth values as factors of a LoHa": (loha(torch.bool), WHOLE),
    "DoRA's lengths of 1e30": (lora(dora_scale=torch.full((1, 32), 1e30)), ABSURD),
    "DoRA's lengths that are truth values": (lora(dora_scale=torch.ones(1, 32, dtype=torch.bool)), WHOLE),
    "an embedding of 1e30": ({"star": torch.full((1, 32), 1e30)}, ABSURD),
    "an embedding of truth values": ({"star": torch.ones(1, 32, dtype=torch.bool)}, WHOLE),
    "an eraser of 1e30": (eraser(1e30), ABSURD),
    "an eraser of truth values": (eraser(1.0, torch.bool), WHOLE),
    "an eraser that is not a number": (eraser(float("nan")), "checkpoint.not-finite"),
    "a matrix of 1e30": ({MATRIX: torch.full((16, 32), 1e30)}, ABSURD),
    "a matrix of -1e38": ({MATRIX: torch.full((16, 32), -1e38)}, ABSURD),
    "a matrix of 1e5": ({MATRIX: torch.full((16, 32), 1e5)}, ABSURD),
    "one weight of 1e30 in a matrix": ({MATRIX: torch.eye(16, 32) * 1e30}, ABSURD),
    "truth values for weights": ({MATRIX: torch.ones(16, 32, dtype=torch.bool)}, WHOLE),
}
for _what, (_state, _code) in ABSURD_STATES.items():
    CORPUS[_what] = (lambda folder, state=_state: saved(folder, state), _code)  # type: ignore[misc]


@tries("an SPM of α 1e38", ABSURD)
def _(folder: Path) -> Path:
    save_file(lora(), folder / "x.safetensors", {"prompts": "star", "alpha": "1e38", "rank": "2"})
    return folder / "x.safetensors"


@tries("an SPM of truth values", WHOLE)
def _(folder: Path) -> Path:
    save_file(lora(DOWN.bool(), UP.bool()), folder / "x.safetensors", {"prompts": "star", "alpha": "1.0", "rank": "2"})
    return folder / "x.safetensors"


@tries("α of 1e38 in PEFT's settings", ABSURD)
def _(folder: Path) -> Path:
    name = "base_model.model.mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    (folder / "release").mkdir()
    save_file({f"{name}.lora_A.weight": DOWN, f"{name}.lora_B.weight": UP}, folder / "release" / "adapter_model.safetensors")
    put(folder, "release/adapter_config.json", json.dumps({"lora_alpha": 1e38, "r": 2}).encode())
    return folder / "release"


@tries("a noise schedule of another length", "checkpoint.wrong-architecture")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.ones(8), "alphas_cumprod": torch.ones(3)})
