"""Well-formed files of weights that are no model of ours."""

from __future__ import annotations

from pathlib import Path

import torch

from checkpoints.hostile.corpus import KEY, saved, tries


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


@tries("a noise schedule of another length", "checkpoint.wrong-architecture")
def _(folder: Path) -> Path:
    return saved(folder, {KEY: torch.ones(8), "alphas_cumprod": torch.ones(3)})
