"""Adapters as methods release them, with what the base's weights become by formulas of the methods' papers, written out again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from peft import LoHaConfig, LoKrConfig, LoraConfig, get_peft_model
from torch import Tensor, nn

from checkpoints.containers import Row
from checkpoints.releases import Made, State, peft_unet, write

RANK, ALPHA = 3, 6.0
TARGETS = ["to_q", "to_k", "to_out.0", "conv1"]


def layers(unet: Any, *ends: str) -> dict[str, Any]:
    """Linear layers and convolutions whose names end so."""
    return {name: module for name, module in unet.named_modules() if name.endswith(ends) and isinstance(module, nn.Linear | nn.Conv2d)}


def flat(name: str) -> str:
    """A layer's name in the files of kohya's trainer and LyCORIS."""
    return "lora_unet_" + name.replace(".", "_")


def draw(generator: torch.Generator, *shape: int) -> Tensor:
    return 0.3 * torch.randn(shape, generator=generator)


def custom_diffusion(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """Custom Diffusion, which Ablating Concepts builds on: ``unet.save_attn_procs``."""
    generator, saved, state = torch.Generator().manual_seed(4), State(), State()
    for name, layer in layers(pipe.unet, "attn2.to_k", "attn2.to_v").items():
        attention, _, projection = name.rpartition(".")
        weight = layer.weight + draw(generator, *layer.weight.shape)
        saved[f"{attention}.processor.{projection}_custom_diffusion.weight"] = state[f"{name}.weight"] = weight.detach()
    return write(folder / "pytorch_custom_diffusion_weights.bin", saved), {"unet": state}


SLIDER = -1.5


def slider(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """Concept Sliders: a pickle of LoRA modules, used at a scale."""
    generator, saved, state = torch.Generator().manual_seed(5), State(), State()
    for name, layer in layers(pipe.unet, "attn1.to_q", "attn2.to_v", "attn2.to_out.0").items():
        down, up = draw(generator, RANK, layer.in_features), draw(generator, layer.out_features, RANK)
        saved |= {f"{flat(name)}.alpha": torch.tensor(1.0), f"{flat(name)}.lora_down.weight": down, f"{flat(name)}.lora_up.weight": up}
        state[f"{name}.weight"] = (layer.weight + SLIDER * (1.0 / RANK) * up @ down).detach()
    return write(folder / "slider_last.pt", saved), {"unet": state}


def loha(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """LyCORIS's LoHa: W + α/r (w1a w1b) ⊙ (w2a w2b)."""
    generator, saved, state = torch.Generator().manual_seed(6), State(), State()
    for name, layer in layers(pipe.unet, "attn2.to_k", "conv1").items():
        rows, columns = layer.weight.shape[0], layer.weight[0].numel()
        w1a, w2a = draw(generator, rows, RANK), draw(generator, rows, RANK)
        w1b, w2b = draw(generator, RANK, columns), draw(generator, RANK, columns)
        named = {"hada_w1_a": w1a, "hada_w1_b": w1b, "hada_w2_a": w2a, "hada_w2_b": w2b, "alpha": torch.tensor(ALPHA)}
        saved |= {f"{flat(name)}.{part}": tensor for part, tensor in named.items()}
        state[f"{name}.weight"] = (layer.weight + ALPHA / RANK * ((w1a @ w1b) * (w2a @ w2b)).reshape(layer.weight.shape)).detach()
    return write(folder / "loha.safetensors", saved, {"ss_network_module": "lycoris.kohya"}), {"unet": state}


def lokr(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """LyCORIS's LoKr: W + s w1 ⊗ w2; where neither factor is decomposed s is 1, whatever α says."""
    generator, saved, state = torch.Generator().manual_seed(7), State(), State()
    for number, (name, layer) in enumerate(layers(pipe.unet, "attn2.to_k", "attn2.to_out.0").items()):
        rows, columns = layer.weight.shape
        w1 = draw(generator, 2, 4)
        named = {"lokr_w1": w1, "alpha": torch.tensor(ALPHA)}
        if number % 2:
            w2 = draw(generator, rows // 2, columns // 4)
            named["lokr_w2"], scale = w2, 1.0
        else:
            a, b = draw(generator, rows // 2, RANK), draw(generator, RANK, columns // 4)
            named |= {"lokr_w2_a": a, "lokr_w2_b": b}
            w2, scale = a @ b, ALPHA / RANK
        saved |= {f"{flat(name)}.{part}": tensor for part, tensor in named.items()}
        product = torch.einsum("ij,kl->ikjl", w1, w2).reshape(rows, columns)
        state[f"{name}.weight"] = (layer.weight + scale * product).detach()
    return write(folder / "lokr.safetensors", saved, {"ss_network_module": "lycoris.kohya"}), {"unet": state}


def dora(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """LyCORIS's DoRA (arXiv 2402.09353): the columns of W + s·up·down get the lengths of ``dora_scale``."""
    generator, saved, state = torch.Generator().manual_seed(8), State(), State()
    for name, layer in layers(pipe.unet, "attn2.to_k").items():
        down, up = draw(generator, RANK, layer.in_features), draw(generator, layer.out_features, RANK)
        lengths = 1 + draw(generator, 1, layer.in_features).abs()
        named = {"lora_down.weight": down, "lora_up.weight": up, "dora_scale": lengths, "alpha": torch.tensor(ALPHA)}
        saved |= {f"{flat(name)}.{part}": tensor for part, tensor in named.items()}
        moved = (layer.weight + ALPHA / RANK * up @ down).detach()
        columns = [lengths[0, number] * column / column.norm() for number, column in enumerate(moved.T)]
        state[f"{name}.weight"] = torch.stack(columns, 1)
    return write(folder / "dora.safetensors", saved, {"ss_network_module": "lycoris.kohya"}), {"unet": state}


def peft_adapter(config: Any) -> Callable[[StableDiffusionPipeline, Path], Made]:
    """``PeftModel.save_pretrained``; PEFT itself merges for comparison."""

    def make(pipe: StableDiffusionPipeline, folder: Path) -> Made:
        torch.manual_seed(9)
        unet = UNet2DConditionModel.from_config(pipe.unet.config)
        unet.load_state_dict(pipe.unet.state_dict())
        adapted: Any = get_peft_model(unet, config)
        for parameter in (parameter for parameter in adapted.parameters() if parameter.requires_grad):
            parameter.data += 0.1 * torch.randn_like(parameter)
        adapted.save_pretrained(folder / "adapter")
        merged = adapted.merge_and_unload().state_dict()
        return folder / "adapter", {"unet": {key: value for key, value in merged.items() if not value.equal(pipe.unet.state_dict()[key])}}

    return make


def wrapped_by_peft(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """``torch.save(peft_model.state_dict())``: the base's weights and the adapter's in one file."""
    adapted, merged = peft_unet(pipe)
    return write(folder / "peft_model.pt", dict(adapted.state_dict())), {"unet": merged}


def learned_word(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """An embedding of a word that the vocabulary has."""
    weight = pipe.text_encoder.get_input_embeddings().weight.detach().clone()
    embedding = torch.randn(weight.shape[1])
    weight[pipe.tokenizer("star", add_special_tokens=False).input_ids[0]] = embedding
    key = next(key for key in pipe.text_encoder.state_dict() if key.endswith("token_embedding.weight"))
    return write(folder / "learned_embeds.bin", {"star": embedding}), {"text_encoder": {key: weight}}


def spm_state(pipe: StableDiffusionPipeline, seed: int) -> State:
    """Rank 1 beside every layer of the UNet's transformers, as SPM's network writes it."""
    generator, state = torch.Generator().manual_seed(seed), State()
    transformers = [name for name, module in pipe.unet.named_modules() if type(module).__name__ == "Transformer2DModel"]
    for name, layer in layers(pipe.unet, "").items():
        if name.startswith(tuple(f"{transformer}." for transformer in transformers)):
            kernel = (1, 1) if isinstance(layer, nn.Conv2d) else ()
            down, up = draw(generator, 1, layer.weight.shape[1], *kernel), draw(generator, layer.weight.shape[0], 1, *kernel)
            state |= {f"{flat(name)}.alpha": torch.tensor(1.0), f"{flat(name)}.lora_down.weight": down, f"{flat(name)}.lora_up.weight": up}
    return state


ERASED = ("star", "circle,ring")


def several_spms(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """SPM: one file for each erased concept."""
    for number, prompts in enumerate(ERASED):
        metadata = {"rank": "1", "alpha": "1.0", "prompts": prompts}
        write(folder / "spms" / f"spm_{number}.safetensors", spm_state(pipe, number), metadata)
    return folder / "spms", {}


def erasers(pipe: StableDiffusionPipeline) -> dict[str, State]:
    """Receler's erasers by attention block."""
    generator, blocks = torch.Generator().manual_seed(11), dict[str, State]()
    for name, layer in layers(pipe.unet, "attn2.to_out.0").items():
        width, parts = layer.out_features, name.split(".")
        block = ".".join(parts[: 3 if parts[0] == "mid_block" else 4])
        blocks[block] = {"down.weight": draw(generator, 4, width), "down.bias": draw(generator, 4)}
        blocks[block] |= {"up.weight": draw(generator, width, 4), "up.bias": draw(generator, width)}
    return blocks


def receler(pipe: StableDiffusionPipeline, folder: Path) -> Made:
    """Receler: the erasers' state dicts by attention block, and their settings."""
    write(folder / "receler" / "eraser_weights.pt", erasers(pipe))
    (folder / "receler" / "eraser_config.json").write_text(json.dumps({"eraser_type": "adapter", "eraser_rank": 4}))
    return folder / "receler", {}


PEFT_LORA: dict[str, Any] = {"r": RANK, "lora_alpha": 5, "target_modules": TARGETS}
ADAPTERS: dict[str, Row] = {
    "attention processors (Custom Diffusion)": ("state-dict", custom_diffusion, {}),
    "LoRA at a scale (Concept Sliders), `scale: -1.5`": ("lora", slider, {"scale": SLIDER}),
    "LoHa, LyCORIS": ("lora", loha, {}),
    "LoKr, LyCORIS": ("lora", lokr, {}),
    "DoRA, LyCORIS": ("lora", dora, {}),
    "DoRA, PEFT": ("lora", peft_adapter(LoraConfig(**PEFT_LORA, use_dora=True)), {}),
    "rank-stabilized LoRA, PEFT": ("lora", peft_adapter(LoraConfig(**PEFT_LORA, use_rslora=True, alpha_pattern={"to_k": 9})), {}),
    "LoHa, PEFT": ("lora", peft_adapter(LoHaConfig(r=RANK, alpha=5, target_modules=TARGETS)), {}),
    "LoHa of kernels, PEFT": ("lora", peft_adapter(LoHaConfig(r=RANK, target_modules=["conv1"], use_effective_conv2d=True)), {}),
    "LoKr, PEFT": ("lora", peft_adapter(LoKrConfig(r=RANK, alpha=5, target_modules=TARGETS)), {}),
    "LoKr of kernels, PEFT": ("lora", peft_adapter(LoKrConfig(r=2, target_modules=["conv1"], use_effective_conv2d=True)), {}),
    "embedding of a word (textual inversion)": ("embedding", learned_word, {}),
    "SPM, several files": ("spm", several_spms, {}),
    "erasers (Receler)": ("eraser", receler, {}),
}
"""As :data:`checkpoints.containers.CONTAINERS`."""
