"""The training loop that the unlearners share: Adam at a constant learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


def fine_tune(
    weights: Iterable[nn.Parameter],
    loss: Callable[[], Tensor],
    steps: int,
    learning_rate: float,
    log: Callable[[str], None],
    title: str,
    after_update: Callable[[], object] = lambda: None,
) -> None:
    """Minimise ``loss`` for ``steps`` updates; ``after_update`` is called after each."""
    optimizer = torch.optim.Adam(weights, lr=learning_rate)
    for step in range(steps):
        loss_value = loss()
        optimizer.zero_grad()
        torch.autograd.backward(loss_value)
        optimizer.step()
        after_update()
        if step % 10 == 0 or step == steps - 1:
            log(f"{title}: step {step}/{steps} loss {loss_value.item():.4f}")
