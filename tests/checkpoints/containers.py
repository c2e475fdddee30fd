"""Releases in containers, under prefixes and in folders of several files: each as its trainer writes it."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from torch import Tensor

from checkpoints.releases import Made, Maker, State, another, in_text_model, kohya_state, ldm_unet, ldm_whole, moved, peft_unet, write

WIDTH_OF_FLUX = 16


def esd_modules(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """ESD since 2024: a table of state dicts, one for each trained module."""
    state = moved(pipe.unet, "attn2")
    modules: dict[str, State] = {}
    for name, module in pipe.unet.named_modules():
        if name.endswith("attn2"):
            modules[f"unet.{name}"] = {key: state[f"{name}.{key}"] for key in module.state_dict()}
    return write(folder / "esd-vangogh.pt", modules), {"unet": state}


def aliased_text_encoder(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """AdvUnlearn: a wrapper that holds the text encoder and, a second time, its embeddings, layers and last norm."""
    state = moved(pipe.text_encoder)
    real = in_text_model(state)
    aliases = {key.removeprefix("text_model."): value for key, value in real.items()}
    aliases = {re.sub(r"^embeddings\.", "embedding.", key): value for key, value in aliases.items()}
    saved = {**{f"text_encoder.{key}": value for key, value in real.items()}, **aliases}
    return write(folder / "TextEncoder-text_encoder_full.pt", saved), {"text_encoder": state}


def lightning_1_4(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """pytorch-lightning 1.4.2: the state of a callback is keyed by its class."""
    state, name = moved(pipe.unet), "pytorch_lightning.callbacks.model_checkpoint"
    module: Any = types.ModuleType(name)
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": name})
    sys.modules |= {part: types.ModuleType(part) for part in ("pytorch_lightning", "pytorch_lightning.callbacks")} | {name: module}
    try:
        callbacks = {module.ModelCheckpoint: {"monitor": "val/loss", "best_model_score": torch.tensor(0.1), "dirpath": "logs"}}
        optimizer = {"state": {0: {"step": 3, "exp_avg": torch.ones(4)}}, "param_groups": [{"lr": 1e-5, "params": [0]}]}
        saved = {"epoch": 1, "global_step": 9, "pytorch-lightning_version": "1.4.2", "state_dict": ldm_whole(pipe, state)}
        saved |= {"callbacks": callbacks, "optimizer_states": [optimizer], "lr_schedulers": []}
        return write(folder / "last.ckpt", saved), {"unet": state}
    finally:
        for part in ("pytorch_lightning", "pytorch_lightning.callbacks", name):
            sys.modules.pop(part)


def prefixed(prefix: str) -> Maker:
    """diffusers' keys of a whole UNet behind a prefix."""

    def make(pipe: StableDiffusionPipeline, folder: Path) -> Made:
        state = moved(pipe.unet)
        return write(folder / "unet.pt", {prefix + key: value for key, value in state.items()}), {"unet": state}

    return make


def contained(*names: str) -> Maker:
    """A whole UNet in nested tables, with a trainer's numbers beside."""

    def make(pipe: StableDiffusionPipeline, folder: Path) -> Made:
        state = moved(pipe.unet)
        content: Any = state
        for name in reversed(names):
            content = {name: content, "epoch": 3}
        return write(folder / "checkpoint.pth", content), {"unet": state}

    return make


def comfyui(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """ComfyUI's diffusion model files."""
    state = moved(pipe.unet)
    saved = {key.removeprefix("model."): value for key, value in ldm_unet(pipe.unet, state).items()}
    return write(folder / "unet.safetensors", saved), {"unet": state}


def selective_amnesia(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """Selective Amnesia: the original code's checkpoint, whose average was trained along and is what it samples from."""
    trained, averaged = moved(pipe.unet), moved(pipe.unet, seed=2)
    saved = ldm_whole(pipe, trained)
    for key, value in ldm_unet(pipe.unet, averaged).items():
        saved["model_ema." + key.removeprefix("model.").replace(".", "")] = value
    return write(folder / "last.ckpt", {"state_dict": saved, "global_step": 10}), {"unet": averaged}


def forget_me_not(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """Forget-Me-Not with textual inversion: four added tokens, and their embeddings beside the pipeline."""
    other, state = another(pipe.unet)
    parts: dict[str, Any] = {**pipe.components, "unet": other}
    tokens = [f"<s{number}>" for number in range(1, 5)]
    pipeline = StableDiffusionPipeline(**parts, requires_safety_checker=False)
    pipeline.save_pretrained(folder / "fmn")
    copied: Any = StableDiffusionPipeline.from_pretrained(folder / "fmn")
    copied.tokenizer.add_tokens(tokens)
    copied.text_encoder.resize_token_embeddings(len(copied.tokenizer))
    copied.save_pretrained(folder / "fmn")
    embeddings = {token: torch.randn(copied.text_encoder.config.hidden_size) for token in tokens}
    save_file(embeddings, folder / "fmn" / "step_inv_500.safetensors", dict.fromkeys(tokens, "<embed>"))
    return folder / "fmn", {"unet": state}


def accelerate_state(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """accelerate's ``save_state`` of two models, with optimizer and random states."""
    unet, texts = moved(pipe.unet), moved(pipe.text_encoder)
    root = folder / "state"
    write(root / "model.safetensors", unet)
    write(root / "model_1.safetensors", in_text_model(texts))
    write(root / "optimizer.bin", {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-5}]})
    (root / "random_states_0.pkl").write_bytes(b"\x80\x02}.")
    return root, {"unet": unet, "text_encoder": texts}


def unet_at_the_root(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """A UNet's files at the root of a repository, with a folder of the text encoder."""
    other, state = another(pipe.unet)
    texts = moved(pipe.text_encoder)
    other.save_pretrained(folder / "mixed")
    write(folder / "mixed" / "text_encoder" / "model.safetensors", in_text_model(texts))
    return folder / "mixed", {"unet": state, "text_encoder": texts}


def pickled_text_encoder(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """A UNet's folder, and a text encoder under a name of its own."""
    other, state = another(pipe.unet)
    texts = moved(pipe.text_encoder)
    other.save_pretrained(folder / "mixed" / "unet")
    write(folder / "mixed" / "text_encoder" / "text_encoder.pt", in_text_model(texts))
    return folder / "mixed", {"unet": state, "text_encoder": texts}


def lora_beside_pipeline(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """The unchanged pipeline, and the LoRA that unlearns beside it."""
    adapted, merged = peft_unet(pipe)
    pipe.save_pretrained(folder / "whole")
    write(folder / "whole" / "pytorch_lora_weights.safetensors", kohya_state(adapted), {"ss_network_module": "networks.lora"})
    return folder / "whole", {"unet": merged}


def unet_and_embeddings(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """A UNet's folder, and the embedding of a placeholder that the training used."""
    other, state = another(pipe.unet)
    other.save_pretrained(folder / "ti" / "unet")
    write(folder / "ti" / "learned_embeds.safetensors", {"<erased>": torch.randn(pipe.text_encoder.config.hidden_size)})
    return folder / "ti", {"unet": state}


def sharded_unet(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """``save_pretrained`` of a UNet in shards."""
    other, state = another(pipe.unet)
    other.save_pretrained(folder / "shards" / "unet", max_shard_size="60KB")
    assert len(list((folder / "shards" / "unet").glob("*-of-*.safetensors"))) > 1
    return folder / "shards", {"unet": state}


def averaged_folder(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """diffusers' training script with ``--use_ema``: ``unet`` and ``unet_ema``."""
    trained, _ = another(pipe.unet)
    averaged = moved(pipe.unet, seed=2)
    trained.save_pretrained(folder / "checkpoint" / "unet")
    trained.load_state_dict(averaged)
    trained.save_pretrained(folder / "checkpoint" / "unet_ema")
    return folder / "checkpoint", {"unet": averaged}


def bfl_key(key: str) -> tuple[str, int]:
    """A FLUX transformer's key in the original code, and the place of its rows there."""
    key = key.replace("norm_q.weight", "norm_q.scale").replace("norm_k.weight", "norm_k.scale")
    for new, old, place in BFL:
        if (match := re.fullmatch(new, key)) is not None:
            return match.expand(old), place
    raise AssertionError(key)


BFL: list[tuple[str, str, int]] = [
    (r"x_embedder\.(.*)", r"img_in.\1", 0),
    (r"context_embedder\.(.*)", r"txt_in.\1", 0),
    (r"time_text_embed\.timestep_embedder\.linear_1\.(.*)", r"time_in.in_layer.\1", 0),
    (r"time_text_embed\.timestep_embedder\.linear_2\.(.*)", r"time_in.out_layer.\1", 0),
    (r"time_text_embed\.text_embedder\.linear_1\.(.*)", r"vector_in.in_layer.\1", 0),
    (r"time_text_embed\.text_embedder\.linear_2\.(.*)", r"vector_in.out_layer.\1", 0),
    (r"norm_out\.linear\.(.*)", r"final_layer.adaLN_modulation.1.\1", 0),
    (r"proj_out\.(.*)", r"final_layer.linear.\1", 0),
    (r"transformer_blocks\.(\d+)\.norm1\.linear\.(.*)", r"double_blocks.\1.img_mod.lin.\2", 0),
    (r"transformer_blocks\.(\d+)\.norm1_context\.linear\.(.*)", r"double_blocks.\1.txt_mod.lin.\2", 0),
    *((rf"transformer_blocks\.(\d+)\.attn\.to_{x}\.(.*)", r"double_blocks.\1.img_attn.qkv.\2", n) for n, x in enumerate("qkv")),
    *((rf"transformer_blocks\.(\d+)\.attn\.add_{x}_proj\.(.*)", r"double_blocks.\1.txt_attn.qkv.\2", n) for n, x in enumerate("qkv")),
    (r"transformer_blocks\.(\d+)\.attn\.norm_q\.scale", r"double_blocks.\1.img_attn.norm.query_norm.scale", 0),
    (r"transformer_blocks\.(\d+)\.attn\.norm_k\.scale", r"double_blocks.\1.img_attn.norm.key_norm.scale", 0),
    (r"transformer_blocks\.(\d+)\.attn\.norm_added_q\.weight", r"double_blocks.\1.txt_attn.norm.query_norm.scale", 0),
    (r"transformer_blocks\.(\d+)\.attn\.norm_added_k\.weight", r"double_blocks.\1.txt_attn.norm.key_norm.scale", 0),
    (r"transformer_blocks\.(\d+)\.attn\.to_out\.0\.(.*)", r"double_blocks.\1.img_attn.proj.\2", 0),
    (r"transformer_blocks\.(\d+)\.attn\.to_add_out\.(.*)", r"double_blocks.\1.txt_attn.proj.\2", 0),
    (r"transformer_blocks\.(\d+)\.ff\.net\.0\.proj\.(.*)", r"double_blocks.\1.img_mlp.0.\2", 0),
    (r"transformer_blocks\.(\d+)\.ff\.net\.2\.(.*)", r"double_blocks.\1.img_mlp.2.\2", 0),
    (r"transformer_blocks\.(\d+)\.ff_context\.net\.0\.proj\.(.*)", r"double_blocks.\1.txt_mlp.0.\2", 0),
    (r"transformer_blocks\.(\d+)\.ff_context\.net\.2\.(.*)", r"double_blocks.\1.txt_mlp.2.\2", 0),
    (r"single_transformer_blocks\.(\d+)\.norm\.linear\.(.*)", r"single_blocks.\1.modulation.lin.\2", 0),
    *((rf"single_transformer_blocks\.(\d+)\.attn\.to_{x}\.(.*)", r"single_blocks.\1.linear1.\2", n) for n, x in enumerate("qkv")),
    (r"single_transformer_blocks\.(\d+)\.proj_mlp\.(.*)", r"single_blocks.\1.linear1.\2", 3),
    (r"single_transformer_blocks\.(\d+)\.proj_out\.(.*)", r"single_blocks.\1.linear2.\2", 0),
    (r"single_transformer_blocks\.(\d+)\.attn\.norm_q\.scale", r"single_blocks.\1.norm.query_norm.scale", 0),
    (r"single_transformer_blocks\.(\d+)\.attn\.norm_k\.scale", r"single_blocks.\1.norm.key_norm.scale", 0),
]
"""diffusers' names of a FLUX transformer and the original ones; rows of several tensors are one there."""


def bfl_state(state: State) -> State:
    """A transformer's tensors as the original code saves them."""
    rows: dict[str, dict[int, Tensor]] = {}
    for key, value in state.items():
        old, place = bfl_key(key)
        scale, shift = value.chunk(2) if key.startswith("norm_out.linear") else (value, None)
        rows.setdefault(old, {})[place] = value if shift is None else torch.cat([shift, scale])
    return {key: torch.cat([parts[number] for number in sorted(parts)]) for key, parts in rows.items()}


def bfl(prefix: str, which: str = "") -> Maker:
    """FLUX under the keys of its own code, whole or partial."""

    def make(pipe: Any, folder: Path) -> Made:
        state = {key: value for key, value in moved(pipe.transformer).items() if re.search(which, key)}
        return write(folder / "flux.safetensors", {prefix + key: value for key, value in bfl_state(state).items()}), {"transformer": state}

    return make


Row = tuple[str, Callable[..., Made], dict[str, Any]]
CONTAINERS: dict[str, Row] = {
    "state dicts by module (ESD since 2024)": ("state-dict", esd_modules, {}),
    "text encoder with aliases (AdvUnlearn's training)": ("state-dict", aliased_text_encoder, {}),
    "CompVis, pytorch-lightning 1.4.2 with callbacks": ("compvis", lightning_1_4, {}),
    "CompVis, trained average (Selective Amnesia), `use: ema`": ("compvis", selective_amnesia, {"use": "ema"}),
    "CompVis keys, ComfyUI's prefix": ("compvis", comfyui, {}),
    "prefix `module.` (DataParallel)": ("state-dict", prefixed("module."), {}),
    "prefix `_orig_mod.` (torch.compile)": ("state-dict", prefixed("_orig_mod."), {}),
    "prefix `unet.module.`": ("state-dict", prefixed("unet.module."), {}),
    "prefix `model.diffusion_model.` before diffusers' keys": ("state-dict", prefixed("model.diffusion_model."), {}),
    "container `unet_state_dict`": ("state-dict", contained("unet_state_dict"), {}),
    "containers `net`, `module`": ("state-dict", contained("net", "module"), {}),
    "container `params`": ("state-dict", contained("params"), {}),
    "container `ema`": ("state-dict", contained("ema"), {}),
    "pipeline with added tokens (Forget-Me-Not)": ("pipeline", forget_me_not, {}),
    "state of two models (accelerate)": ("components", accelerate_state, {}),
    "UNet at the root, text encoder's folder": ("components", unet_at_the_root, {}),
    "UNet's folder, pickled text encoder": ("components", pickled_text_encoder, {}),
    "UNet's folder, embedding of a placeholder": ("components", unet_and_embeddings, {}),
    "UNet's folder in shards": ("components", sharded_unet, {}),
    "`unet` and `unet_ema` (diffusers' trainer), `use: ema`": ("components", averaged_folder, {"use": "ema"}),
    "unchanged pipeline, LoRA beside it": ("pipeline", lora_beside_pipeline, {}),
}
"""What a reader calls it: format, who writes it, and what a submission says of it."""
FLUX_CONTAINERS: dict[str, Row] = {
    "FLUX, keys of its own code": ("flux", bfl(""), {}),
    "FLUX, partial, ComfyUI's prefix": ("flux", bfl("model.diffusion_model.", r"context_embedder|attn\.to_k|attn\.to_v|to_q|proj_mlp"), {}),
}
