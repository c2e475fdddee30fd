"""What a refused release holds, and the nearest known form, for error messages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from unconceal.checkpoints.release import Release
from unconceal.checkpoints.weights_file import shortened

MERGE = "release the merged weights"
NEAREST: dict[str, tuple[str, str]] = {
    r"control_model\.|controlnet": ("a ControlNet", MERGE),
    r"to_[kv]_ip|ip_adapter|image_proj": ("an IP-Adapter", MERGE),
    r"\.oft_|\.boft_|\.vera_|\.hra_|\.diff(_b)?$|\.on_input$": ("a PEFT or LyCORIS adapter of another kind", MERGE),
    r"lora|lokr|hada|dora": ("a LoRA", "use the keys of PEFT, diffusers, kohya or LyCORIS, or release the merged weights"),
    r"encoder\.weight|W_(enc|dec)|b_dec|latent_bias": ("a sparse autoencoder on activations", "no format applies it; release weights"),
    r"shadow_params": ("diffusers' EMAModel", "save it with `save_pretrained`, which keeps the names"),
    r"eraser|adapter": ("Receler's erasers", "key them by attention block, as eraser_weights.pt does"),
    r"(input|output|middle)_blocks?\.": ("CompVis weights", "put them under model.diffusion_model., with nothing else beside them"),
    r"(double|single)_blocks\.": ("FLUX weights", "use the keys of the original code or of diffusers"),
    r"(down|up|mid)_blocks?\.|attn2|transformer_blocks": ("a diffusers UNet", "save its state dict under diffusers' keys"),
    r"text_model|layers\.\d+\.self_attn|embedding": ("a text encoder", "save its state dict, or name it with `component:`"),
}
"""Telling parts of keys: the nearest known form, and what to do."""
SEGMENTS = 3


def inventory(release: Release, keys: Collection[str] = ()) -> tuple[str, str]:
    """Files and telling keys of a release, and the remedy.

    Args:
        release: what was opened.
        keys: that are not understood; empty: all.
    """
    keys = keys or [key for file in release.files for key in file.weights.tensors]
    files = ", ".join(f"{shortened(file.name, 40)} with {len(file.weights.tensors)} tensors" for file in release.files[:SEGMENTS])
    more = f" and {len(release.files) - SEGMENTS} more" if len(release.files) > SEGMENTS else ""
    examples = ", ".join(repr(shortened(key, 60)) for key in _telling(keys))
    return f"found {files or 'no weights'}{more}: {examples or 'no key'}", nearest(keys)


def nearest(keys: Iterable[str]) -> str:
    """What to do about keys in no known format."""
    joined = list(keys)[:2000]
    for pattern, (form, remedy) in NEAREST.items():
        if any(re.search(pattern, key) for key in joined):
            return f"the nearest known form is {form}: {remedy}"
    return "release weights of UNet, transformer, text encoder or VAE under diffusers' keys"


def _telling(keys: Iterable[str]) -> list[str]:
    """The first key, and one whose end is another."""
    ordered = list(keys)
    first = ordered[:1]
    return first + [key for key in ordered[1:] if key.rpartition(".")[2] != ordered[0].rpartition(".")[2]][:1]
