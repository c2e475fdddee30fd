"""The training loop that the methods share: Adam at a constant rate, until the steps are done."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def descend(
    weights: Iterable[nn.Parameter],
    loss: Callable[[], Tensor],
    steps: int,
    rate: float,
    say: Callable[[str], None],
    title: str,
    then: Callable[[], object] = lambda: None,
) -> None:
    """Minimise ``loss``; ``then`` is called after every update."""
    optimiser = torch.optim.Adam(weights, lr=rate)
    for step in range(steps):
        value = loss()
        optimiser.zero_grad()
        torch.autograd.backward(value)
        optimiser.step()
        then()
        if step % 10 == 0 or step == steps - 1:
            say(f"{title}: step {step}/{steps} loss {value.item():.4f}")
