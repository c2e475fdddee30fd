"""Whether an evaluation fits an accelerator's memory, and if not, what would: a smaller batch, another precision, offloading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from unconceal.checkpoints.key_names import parts_of
from unconceal.diffusion.memory_footprint import denoiser_row, picture_row, weights_of
from unconceal.errors import EnvironmentFault

DECODED = 16
"""Pictures that are decoded at once: those of one shard, or a batch where that is fewer."""
SPARE = 1.1
"""What a card takes beyond what lives: fragments, the libraries' own room."""
HALF = torch.bfloat16
DENOISERS = ("unet", "transformer")


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes of a base in one precision. ``parts``: weights by component; ``row``, ``picture``: what one takes on its way; 0: not known."""

    parts: dict[str, int]
    forward_pass: int
    image: int

    def total(self, batch: int, offload: bool) -> int:
        """With a θ* of another denoiser beside θ; offloaded, each part lies there alone while it works."""
        denoiser = max(self.parts[name] for name in DENOISERS if name in self.parts)
        working = {"denoiser": batch * self.forward_pass, "vae": min(DECODED, batch) * self.image}
        if not offload:
            return round(SPARE * (sum(self.parts.values()) + denoiser + max(working.values())))
        alone = [*self.parts.values(), denoiser + working["denoiser"], self.parts.get("vae", 0) + working["vae"]]
        return round(SPARE * max(alone))


def memory_need(pipe: Any, dtype: torch.dtype, size: int | None = None) -> MemoryNeed:
    """Of a pipeline that is loaded anywhere; ``size``: pixels on a side, None: its own."""
    parts = {name: weights_of(part, dtype) for name, part in parts_of(pipe).items()}
    unet = getattr(pipe, "unet", None)
    if unet is None:
        return MemoryNeed(parts, 0, 0)
    side = size // pipe.vae_scale_factor if size else unet.config.sample_size
    return MemoryNeed(parts, denoiser_row(unet.config, side, dtype), picture_row(pipe.vae.config, side, dtype))


def check_memory(pipe: Any, free: int, batch: int, dtype: torch.dtype, offload: bool, size: int | None = None) -> str | None:
    """A line of advice where ``batch`` rows do not fit ``free`` bytes but fewer do; None: they fit.

    Raises:
        EnvironmentFault: not even one row fits; what would is named.
    """
    need = memory_need(pipe, dtype, size)
    if need.total(batch, offload) <= free:
        return None
    fitting = _largest(need, free, batch, offload)
    taken = f"{batch} rows at once take about {gigabytes(need.total(batch, offload))}, and {gigabytes(free)} are free"
    remedies = _others(pipe, free, batch, dtype, offload, size)
    if fitting:
        return f"{taken}: {' or '.join([f'--batch {fitting}', *remedies])} would fit"
    least = f"{gigabytes(need.total(1, offload))} for one row at a time, and {gigabytes(free)} are free"
    remedy = f"run with {' or '.join(remedies)}" if remedies else "take a card with more memory, or --device cpu"
    raise EnvironmentFault("environment.out-of-memory", "this accelerator's memory", f"does not suffice: about {least}", remedy)


def _largest(need: MemoryNeed, free: int, batch: int, offload: bool) -> int:
    """The largest batch, halved from the one asked for, that fits; 0: none."""
    while batch and need.total(batch, offload) > free:
        batch //= 2
    return batch


def _others(pipe: Any, free: int, batch: int, dtype: torch.dtype, offload: bool, size: int | None) -> list[str]:
    """Options that fit, each with the batch that it allows; both together only where neither alone takes the whole batch."""
    found: list[str] = []
    halved = HALF if dtype.itemsize > HALF.itemsize else dtype
    for other, away in ((halved, offload), (dtype, True), (halved, True)):
        told = [*(["--dtype bfloat16"] if other != dtype else []), *(["--offload"] if away and not offload else [])]
        fitting = _largest(memory_need(pipe, other, size), free, batch, away) if told else 0
        whole = any("--batch" not in one for one in found)
        if fitting and not (len(told) == 2 and whole):
            found.append(" ".join([*told, *([f"--batch {fitting}"] if fitting < batch else [])]))
    return list(dict.fromkeys(found))


def gigabytes(count: int) -> str:
    return f"{count / 2**30:.1f} GB"


def free_memory(device: str) -> int | None:
    """Bytes that are free on an accelerator; None: of a processor nobody asks."""
    return torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else None
