"""Offloading for small accelerators: only the components in use are on the accelerator, the others stay in main memory.

diffusers' own offloading hooks into the call of its pipelines, which the handover sampler does not use: it alternates between the
denoisers of two models. So a model names the components that it is about to use, and the others are moved back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass
class Offloader:
    """The accelerator and the components that are on it now."""

    device: torch.device
    resident: list[nn.Module] = field(default_factory=list)

    def to_device(self, components: Iterable[nn.Module]) -> None:
        """Move these components to the accelerator, after moving the others to main memory."""
        requested = list(components)
        for part in self.resident:
            if not any(part is other for other in requested):
                part.to("cpu")
        for part in requested:
            part.to(self.device)
        self.resident = requested
