"""Checkpoints of random weights as methods release them: each in exactly the keys that its method's code writes.

Every maker takes the base and a folder, and returns the path that was written and what the base's components must be afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn

State = dict[str, Tensor]
Made = tuple[Path, dict[str, State]]
Maker = Callable[[StableDiffusionPipeline, Path], Made]
RANK, ALPHA = 3, 6


def moved(module: nn.Module, which: str = "", seed: int = 1) -> State:
    """A module's tensors whose key holds ``which``, each a little elsewhere."""
    generator = torch.Generator().manual_seed(seed)
    return {
        key: value + 0.1 * torch.randn(value.shape, generator=generator)
        for key, value in module.state_dict().items()
        if which in key and value.is_floating_point()
    }


def write(path: Path, state: Any, metadata: dict[str, str] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".safetensors":
        save_file({key: value.contiguous() for key, value in state.items()}, path, metadata)
    else:
        torch.save(state, path)
    return path


def in_text_model(state: State) -> State:
    """A text encoder's keys as transformers 4 wrote them."""
    return {f"text_model.{key.removeprefix('text_model.')}": value for key, value in state.items()}


# --- latent-diffusion keys --------------------------------------------------------------------------------------------------------

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3"}
RESNET |= {"time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}
ENDS = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0"}
ENDS |= {"conv_norm_out": "out.0", "conv_out": "out.2"}


def ldm_unet_key(key: str, layers: int, attended: set[int]) -> str:
    """A UNet's key in the original code. ``layers``: resnets of a down block; ``attended``: up blocks with attention."""
    for own_values, base_values in ENDS.items():
        if key.startswith(f"{own_values}."):
            return key.replace(own_values, base_values, 1)
    if result := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", key):
        kind, number, rest = result.groups()
        return f"middle_block.{1 if kind == 'attentions' else 2 * int(number)}.{_resnet(rest) if kind == 'resnets' else rest}"
    result = re.match(r"(down|up)_blocks\.(\d)\.(resnets|attentions|downsamplers|upsamplers)\.(\d)\.(.*)", key)
    assert result, key
    spelling, block, kind, number, rest = result.group(1), int(result.group(2)), result.group(3), int(result.group(4)), result.group(5)
    if kind == "downsamplers":
        return f"input_blocks.{(block + 1) * (layers + 1)}.0.op.{rest.removeprefix('conv.')}"
    if kind == "upsamplers":
        return f"output_blocks.{block * (layers + 1) + layers}.{2 if block in attended else 1}.{rest}"
    index = f"input_blocks.{1 + block * (layers + 1) + number}" if spelling == "down" else f"output_blocks.{block * (layers + 1) + number}"
    return f"{index}.0.{_resnet(rest)}" if kind == "resnets" else f"{index}.1.{rest}"


def _resnet(rest: str) -> str:
    name, _, end = rest.partition(".")
    return f"{RESNET[name]}.{end}"


def ldm_unet(unet: UNet2DConditionModel, state: State) -> State:
    """A UNet's tensors as ``model.diffusion_model.…``."""
    attended = {number for number, kind in enumerate(unet.config["up_block_types"]) if "CrossAttn" in kind}
    return {f"model.diffusion_model.{ldm_unet_key(key, unet.config['layers_per_block'], attended)}": value for key, value in state.items()}


def ldm_vae(vae: AutoencoderKL, state: State) -> State:
    """A VAE's tensors as ``first_stage_model.…``; its attention was of convolutions then."""
    blocks, renamed = len(vae.config["up_block_types"]), {}
    for key, value in state.items():
        name = re.sub(r"up_blocks\.(\d)\.", lambda result: f"up.{blocks - 1 - int(result.group(1))}.", key)
        name = name.replace("down_blocks.", "down.").replace("resnets.", "block.").replace("conv_shortcut", "nin_shortcut")
        name = re.sub(r"mid_block\.block\.(\d)", lambda result: f"mid.block_{int(result.group(1)) + 1}", name)
        name = re.sub(r"(down|up)samplers\.0\.", r"\1sample.", name).replace("conv_norm_out", "norm_out")
        if "mid_block.attentions.0." in name:
            for own_values, base_values in (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
                name = name.replace(f"mid_block.attentions.0.{own_values}.", f"mid.attn_1.{base_values}.")
            value = value[:, :, None, None] if value.ndim == 2 else value
        renamed[f"first_stage_model.{name}"] = value
    return renamed


def ldm_whole(pipe: StableDiffusionPipeline, unet: State) -> State:
    """A whole latent diffusion model with its schedule's buffers and an averaged copy of the UNet as it was before."""
    texts = {f"cond_stage_model.transformer.{key}": value for key, value in in_text_model(pipe.text_encoder.state_dict()).items()}
    now = ldm_unet(pipe.unet, unet)
    before = ldm_unet(pipe.unet, pipe.unet.state_dict())
    averaged = {"model_ema." + key.removeprefix("model.").replace(".", ""): value for key, value in before.items()}
    cumulated = pipe.scheduler.alphas_cumprod
    buffers = {
        "betas": pipe.scheduler.betas,
        "alphas_cumprod": cumulated,
        "scale_factor": torch.tensor(1.0),
        "model_ema.decay": torch.tensor(0.99),
    }
    return {**now, **ldm_vae(pipe.vae, pipe.vae.state_dict()), **texts, **averaged, **buffers}


def another(unet: UNet2DConditionModel) -> tuple[UNet2DConditionModel, State]:
    """A UNet of the same settings whose tensors have all moved, and those tensors."""
    state = moved(unet)
    built = UNet2DConditionModel.from_config(unet.config)
    built.load_state_dict(state)
    return built, state


# --- makers -----------------------------------------------------------------------------------------------------------------------


def full_pipeline(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """Forget-Me-Not, MACE: ``save_pretrained`` of everything."""
    other, state = another(pipe.unet)
    parts = {**pipe.components, "unet": other}
    StableDiffusionPipeline(**parts, requires_safety_checker=False).save_pretrained(folder / "pipeline")
    return folder / "pipeline", {"unet": state}


def unet_folder(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """SDD: ``unet.save_pretrained``."""
    other, state = another(pipe.unet)
    other.save_pretrained(folder / "sdd" / "unet")
    return folder / "sdd", {"unet": state}


def text_encoder_folder(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """AdvUnlearn on the Hub: a text encoder's subfolder."""
    state = moved(pipe.text_encoder)
    write(folder / "advunlearn" / "text_encoder" / "model.safetensors", in_text_model(state))
    return folder / "advunlearn", {"text_encoder": state}


def partial_safetensors(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """ESD-x: the trained cross-attention alone."""
    state = moved(pipe.unet, "attn2")
    return write(folder / "esd-x.safetensors", state), {"unet": state}


def uce(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """UCE: keys and values of the cross-attention."""
    state = {key: value for key, value in moved(pipe.unet, "attn2").items() if "to_k" in key or "to_v" in key}
    return write(folder / "uce.safetensors", state), {"unet": state}


def whole_unet_pickle(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """RECE: ``torch.save(unet.state_dict())``."""
    state = moved(pipe.unet)
    return write(folder / "rece.pt", state), {"unet": state}


def prefixed_text_encoder(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """AdvUnlearn's training: ``TextEncoder-….pt`` with a prefix."""
    state = moved(pipe.text_encoder)
    return write(folder / "TextEncoder-x.pt", {f"text_encoder.{key}": value for key, value in in_text_model(state).items()}), {
        "text_encoder": state
    }


def delta(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """Ablating Concepts: a table for each changed component."""
    unet, texts = moved(pipe.unet, "attn2"), moved(pipe.text_encoder, "token_embedding")
    return write(folder / "delta.bin", {"unet": unet, "text_encoder": in_text_model(texts)}), {"unet": unet, "text_encoder": texts}


def compvis_whole(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """SalUn, EraseDiff, the first ESD: the whole model, with the averaged copy that still is the original."""
    state = moved(pipe.unet)
    return write(folder / "compvis-x.pt", ldm_whole(pipe, state)), {"unet": state}


def compvis_wrapped(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """What pytorch-lightning saves: the same under ``state_dict``, with the trainer's own beside."""
    state = moved(pipe.unet)
    saved = {"state_dict": ldm_whole(pipe, state), "epoch": 2, "global_step": 1000, "optimizer_states": []}
    return write(folder / "last.ckpt", saved), {"unet": state}


def compvis_delta(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """Ablating Concepts' ``delta_*.ckpt``: some tensors under the original code's keys."""
    state = moved(pipe.unet, "attn2")
    return write(folder / "delta_x.ckpt", {"state_dict": ldm_unet(pipe.unet, state)}), {"unet": state}


def compvis_bare(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """A UNet alone, without the model's prefix."""
    state = moved(pipe.unet)
    bare = {key.removeprefix("model.diffusion_model."): value for key, value in ldm_unet(pipe.unet, state).items()}
    return write(folder / "unet.safetensors", bare), {"unet": state}


# --- low-rank updates, merged by PEFT itself ---------------------------------------------------------------------------------------


def peft_unet(pipe: StableDiffusionPipeline) -> tuple[Any, State]:
    """A UNet with a random adapter, and its weights once PEFT has merged it."""
    torch.manual_seed(5)
    unet = UNet2DConditionModel.from_config(pipe.unet.config)
    unet.load_state_dict(pipe.unet.state_dict())
    config = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["to_q", "to_k", "to_out.0", "conv1"], init_lora_weights=False)
    adapted: Any = get_peft_model(unet, config)
    merged = UNet2DConditionModel.from_config(pipe.unet.config)
    twin: Any = get_peft_model(UNet2DConditionModel.from_config(pipe.unet.config), config)
    twin.load_state_dict(adapted.state_dict())
    merged = twin.merge_and_unload()
    changed = {key: value for key, value in merged.state_dict().items() if not torch.equal(value, pipe.unet.state_dict()[key])}
    return adapted, changed


def lora_peft(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """``PeftModel.save_pretrained``."""
    adapted, merged = peft_unet(pipe)
    adapted.save_pretrained(folder / "peft")
    return folder / "peft", {"unet": merged}


def halves(adapted: Any) -> State:
    """PEFT's tensors by module, ``….lora_A.weight``."""
    return {key.removeprefix("base_model.model."): value.detach() for key, value in get_peft_model_state_dict(adapted).items()}


def lora_diffusers(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """``StableDiffusionPipeline.save_lora_weights`` with the adapter's settings in the metadata."""
    adapted, merged = peft_unet(pipe)
    StableDiffusionPipeline.save_lora_weights(
        folder / "diffusers-lora", unet_lora_layers=halves(adapted), unet_lora_adapter_metadata=adapted.peft_config["default"].to_dict()
    )
    return folder / "diffusers-lora", {"unet": merged}


def lora_diffusers_old(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """Attention processors of older versions of diffusers: α is the rank, and only projections are updated."""
    names = [name for name, _ in pipe.unet.named_modules() if name.endswith("attn2.to_k")]
    generator = torch.Generator().manual_seed(3)
    state: State = {}
    merged: State = {}
    for name in names:
        weight = pipe.unet.state_dict()[f"{name}.weight"]
        down, up = torch.randn(RANK, weight.shape[1], generator=generator), torch.randn(weight.shape[0], RANK, generator=generator)
        old = name.replace(".to_k", ".processor.to_k_lora")
        state |= {f"unet.{old}.down.weight": down, f"unet.{old}.up.weight": up}
        merged[f"{name}.weight"] = weight + up @ down
    return write(folder / "pytorch_lora_weights.bin", state), {"unet": merged}


def kohya_state(adapted: Any) -> State:
    """PEFT's tensors as kohya's trainer writes them."""
    state: State = {}
    for key, value in halves(adapted).items():
        module, _, half = key.removesuffix(".weight").rpartition(".")
        flat = "lora_unet_" + module.replace(".", "_")
        state[f"{flat}.lora_{'down' if half == 'lora_A' else 'up'}.weight"] = value
        state[f"{flat}.alpha"] = torch.tensor(float(ALPHA))
    return state


def lora_kohya(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    adapted, merged = peft_unet(pipe)
    return write(folder / "kohya.safetensors", kohya_state(adapted), {"ss_network_alpha": str(float(ALPHA))}), {"unet": merged}


def spm(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """SPM: kohya's keys, and the erased prompts in the metadata; its weights change nothing by themselves."""
    adapted, _ = peft_unet(pipe)
    state = {key: value for key, value in kohya_state(adapted).items() if "resnets" not in key}
    return write(
        folder / "spm_last.safetensors", state, {"rank": str(RANK), "alpha": str(float(ALPHA)), "prompts": "star,five-pointed figure"}
    ), {}


def uce_flux(pipe: Any, folder: Path) -> Made:
    """UCE on FLUX: what the text meets first in the transformer."""
    state = {key: value for key, value in moved(pipe.transformer).items() if re.search(r"context_embedder|text_embedder\.linear_1", key)}
    return write(folder / "uce-flux.safetensors", state), {"transformer": state}


def flux_folder(pipe: Any, folder: Path) -> Made:
    """``transformer.save_pretrained``."""
    state = moved(pipe.transformer)
    other = type(pipe.transformer).from_config(pipe.transformer.config)
    other.load_state_dict(state)
    other.save_pretrained(folder / "flux" / "transformer")
    return folder / "flux", {"transformer": state}


FLUX: dict[str, tuple[str, Maker]] = {
    "keys of a transformer (UCE on FLUX)": ("state-dict", uce_flux),
    "transformer folder": ("components", flux_folder),
}
"""As :data:`MAKERS`, for a base with a transformer instead of a UNet."""
MAKERS: dict[str, tuple[str, Maker]] = {
    "full pipeline (Forget-Me-Not, MACE)": ("pipeline", full_pipeline),
    "UNet folder (SDD)": ("components", unet_folder),
    "text encoder folder (AdvUnlearn)": ("components", text_encoder_folder),
    "partial UNet, safetensors (ESD)": ("state-dict", partial_safetensors),
    "keys and values of the cross-attention (UCE)": ("state-dict", uce),
    "whole UNet, pickle (RECE)": ("state-dict", whole_unet_pickle),
    "prefixed text encoder, pickle (AdvUnlearn's training)": ("state-dict", prefixed_text_encoder),
    "delta by component (Ablating Concepts)": ("state-dict", delta),
    "CompVis, whole with EMA copy (SalUn, EraseDiff, first ESD)": ("compvis", compvis_whole),
    "CompVis in a trainer's file (pytorch-lightning)": ("compvis", compvis_wrapped),
    "CompVis, partial (Ablating Concepts' delta)": ("compvis", compvis_delta),
    "CompVis, UNet alone": ("compvis", compvis_bare),
    "LoRA, PEFT": ("lora", lora_peft),
    "LoRA, diffusers": ("lora", lora_diffusers),
    "LoRA, older diffusers": ("lora", lora_diffusers_old),
    "LoRA, kohya": ("lora", lora_kohya),
    "SPM with its transport": ("spm", spm),
}
"""What a reader calls it: the format it must be found in, and who writes it."""
