"""Folders that lead elsewhere, or lie about what they hold."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from checkpoints.hostile.corpus import KEY, put, saved, tries
from checkpoints.hostile.torch_files import MORE, archive, calling


@tries("a link out of the folder", "checkpoint.link")
def _(folder: Path) -> Path:
    secret = saved(folder, {KEY: torch.ones(8)})
    (folder / "release" / "unet").mkdir(parents=True)
    (folder / "release" / "unet" / "diffusion_pytorch_model.safetensors").symlink_to(secret)
    return folder / "release"


@tries("a folder that is a link", "checkpoint.link")
def _(folder: Path) -> Path:
    saved(folder, {KEY: torch.ones(8)})
    (folder / "release").mkdir()
    (folder / "release" / "unet").symlink_to(folder)
    return folder / "release"


@tries("shards that lie elsewhere", "checkpoint.bad-index")
def _(folder: Path) -> Path:
    saved(folder, {KEY: torch.ones(8)})
    listing = json.dumps({"weight_map": {KEY: "../x.safetensors"}}).encode()
    put(folder, "release/unet/diffusion_pytorch_model.safetensors.index.json", listing)
    return folder / "release"


@tries("ten thousand shards", "checkpoint.too-large")
def _(folder: Path) -> Path:
    listing = json.dumps({"weight_map": {str(n): f"{n}.safetensors" for n in range(10_000)}}).encode()
    put(folder, "release/unet/diffusion_pytorch_model.safetensors.index.json", listing)
    return folder / "release"


def with_weights(folder: Path) -> None:
    """Weights beside settings, which are read after them."""
    (folder / "release" / "unet").mkdir(parents=True)
    saved(folder, {KEY: torch.ones(8)}).rename(folder / "release" / "unet" / "unet.safetensors")


@tries("settings longer than any", "checkpoint.too-large")
def _(folder: Path) -> Path:
    with_weights(folder)
    put(folder, "release/model_index.json", b'{"a": "' + b"x" * 2**21 + b'"}')
    return folder / "release"


@tries("settings a hundred thousand deep", "checkpoint.not-json")
def _(folder: Path) -> Path:
    with_weights(folder)
    put(folder, "release/model_index.json", b"[" * 100_000)
    return folder / "release"


@tries("a pipeline that names its own code", "checkpoint.other-class")
def _(folder: Path) -> Path:
    with_weights(folder)
    put(folder, "release/model_index.json", json.dumps({"_class_name": ["pipeline", "Mine"], "unet": ["mine", "Net"]}).encode())
    put(folder, "release/pipeline.py", b"open('ran', 'w')")
    return folder / "release"


@tries("a pickle with code in a folder", MORE)
def _(folder: Path) -> Path:
    built = archive(folder, calling("posix", "system", "touch ran"))
    (folder / "release" / "unet").mkdir(parents=True)
    built.rename(folder / "release" / "unet" / "diffusion_pytorch_model.bin")
    return folder / "release"


@tries("a tokenizer longer than any", "checkpoint.too-large")
def _(folder: Path) -> Path:
    with_weights(folder)
    put(folder, "release/tokenizer/vocab.json", b'{"a": "' + b"x" * 2**25 + b'"}')
    return folder / "release"


@tries("a tokenizer of another kind of content", "checkpoint.other-tokenizer")
def _(folder: Path) -> Path:
    with_weights(folder)
    put(folder, "release/tokenizer/tokenizer.json", json.dumps({"model": [1], "added_tokens": {"a": [2]}}).encode())
    return folder / "release"


@tries("an adapter whose patterns never end", "lora.unsupported-alpha")
def _(folder: Path) -> Path:
    name = "base_model.model.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
    (folder / "release").mkdir()
    save_file(
        {f"{name}.lora_A.weight": torch.ones(2, 32), f"{name}.lora_B.weight": torch.ones(16, 2)},
        folder / "release" / "adapter_model.safetensors",
    )
    put(folder, "release/adapter_config.json", json.dumps({"lora_alpha": 2, "alpha_pattern": {"(a+)+$": 3}}).encode())
    return folder / "release"
