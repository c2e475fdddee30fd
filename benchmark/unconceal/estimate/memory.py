"""Whether an evaluation fits an accelerator's memory, and if not, what would: a smaller batch_size, another precision, offloading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from unconceal.checkpoints.key_names import changeable_components
from unconceal.diffusion.memory_footprint import denoiser_activation_bytes, vae_activation_bytes, weight_bytes
from unconceal.errors import EnvironmentFault

DECODED = 16
"""Images that are decoded at once: those of one shard, or a batch if that is smaller."""
SPARE = 1.1
"""Factor for memory beyond live tensors: fragmentation and the libraries' own use."""
HALF = torch.bfloat16
DENOISERS = ("unet", "transformer")


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that a base model needs in one precision.

    ``parts``: weights by component; ``forward_pass``, ``image``: activations of one latent in the denoiser and of one image in the decoder,
    0 if unknown.
    """

    parts: dict[str, int]
    forward_pass: int
    image: int

    def total(self, batch_size: int, offload: bool) -> int:
        """Total with a second denoiser for θ*; with offloading each part is on the device alone while it works."""
        denoiser = max(self.parts[name] for name in DENOISERS if name in self.parts)
        working = {"denoiser": batch_size * self.forward_pass, "vae": min(DECODED, batch_size) * self.image}
        if not offload:
            return round(SPARE * (sum(self.parts.values()) + denoiser + max(working.values())))
        alone = [*self.parts.values(), denoiser + working["denoiser"], self.parts.get("vae", 0) + working["vae"]]
        return round(SPARE * max(alone))


def memory_need(pipeline: Any, dtype: torch.dtype, size: int | None = None) -> MemoryNeed:
    """The need of a loaded pipeline; ``size``: side of an image in pixels, None for the model's own."""
    parts = {name: weight_bytes(part, dtype) for name, part in changeable_components(pipeline).items()}
    unet = getattr(pipeline, "unet", None)
    if unet is None:
        return MemoryNeed(parts, 0, 0)
    side = size // pipeline.vae_scale_factor if size else unet.config.sample_size
    return MemoryNeed(parts, denoiser_activation_bytes(unet.config, side, dtype), vae_activation_bytes(pipeline.vae.config, side, dtype))


def check_memory(pipeline: Any, free: int, batch_size: int, dtype: torch.dtype, offload: bool, size: int | None = None) -> str | None:
    """Check that a batch fits into memory.

    Args:
        pipeline: the base model.
        free: bytes.
        batch_size: requested.
        dtype: requested.
        offload: whether idle parts are offloaded.
        size: side of an image in pixels, None for the model's own.

    Returns:
        A line of advice if a smaller batch fits; None if this one does.

    Raises:
        EnvironmentFault: not even batch size 1 fits; the message names options that would.
    """
    need = memory_need(pipeline, dtype, size)
    if need.total(batch_size, offload) <= free:
        return None
    fitting = _largest(need, free, batch_size, offload)
    need_text = f"batch size {batch_size} takes about {gigabytes(need.total(batch_size, offload))}, and {gigabytes(free)} are free"
    remedies = _remedies(pipeline, free, batch_size, dtype, offload, size)
    if fitting:
        return f"{need_text}: {' or '.join([f'--batch-size {fitting}', *remedies])} would fit"
    least = f"{gigabytes(need.total(1, offload))} for batch size 1, and {gigabytes(free)} are free"
    remedy = f"run with {' or '.join(remedies)}" if remedies else "use a GPU with more memory, or --device cpu"
    raise EnvironmentFault("environment.out-of-memory", "this accelerator's memory", f"does not suffice: about {least}", remedy)


def _largest(need: MemoryNeed, free: int, batch_size: int, offload: bool) -> int:
    """The largest batch size that fits, halving the requested one; 0 if none does."""
    while batch_size and need.total(batch_size, offload) > free:
        batch_size //= 2
    return batch_size


def _remedies(pipeline: Any, free: int, batch_size: int, dtype: torch.dtype, offload: bool, size: int | None) -> list[str]:
    """Options that fit, each with the batch size that it allows; both together only if neither alone allows the whole batch."""
    remedies: list[str] = []
    halved = HALF if dtype.itemsize > HALF.itemsize else dtype
    for new_dtype, new_offload in ((halved, offload), (dtype, True), (halved, True)):
        options = [*(["--dtype bfloat16"] if new_dtype != dtype else []), *(["--offload"] if new_offload and not offload else [])]
        fitting = _largest(memory_need(pipeline, new_dtype, size), free, batch_size, new_offload) if options else 0
        whole_batch_fits = any("--batch-size" not in remedy for remedy in remedies)
        if fitting and not (len(options) == 2 and whole_batch_fits):
            remedies.append(" ".join([*options, *([f"--batch-size {fitting}"] if fitting < batch_size else [])]))
    return list(dict.fromkeys(remedies))


def gigabytes(count: int) -> str:
    return f"{count / 2**30:.1f} GB"


def free_memory(device: str) -> int | None:
    """Free bytes of an accelerator; None for a CPU, which is not checked."""
    return torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else None
