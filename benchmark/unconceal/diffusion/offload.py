"""Parts of a pipeline on a small accelerator: only those at work lie on it, the others wait in the machine's memory.

diffusers' own offloading hooks into its pipelines' call, which the handover sampler does not use: it takes denoisers of two models in
turns. So a model says which of its parts it is about to use, and whatever else is there goes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass
class Offloader:
    """The accelerator ``device`` and the parts that are on it now."""

    device: torch.device
    resident: list[nn.Module] = field(default_factory=list)

    def to_device(self, parts: Iterable[nn.Module]) -> None:
        """Bring these parts, once the others have left."""
        wanted = list(parts)
        for part in self.resident:
            if not any(part is other for other in wanted):
                part.to("cpu")
        for part in wanted:
            part.to(self.device)
        self.resident = wanted
