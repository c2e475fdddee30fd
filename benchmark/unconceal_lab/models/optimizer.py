"""Muon on matrices, AdamW on everything else: what trains the miniature models fastest on a processor."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Muon(torch.optim.Muon):
    """PyTorch's, orthogonalising in the precision of the weights.

    PyTorch's own does it in bfloat16 on any device. A processor without instructions for that multiplies such matrices element by
    element: a training step took 22 s on one, instead of half a second.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """As PyTorch's: momentum, Newton–Schulz, and a rate that grows with a matrix's height over its width."""
        loss = closure() if closure else None
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                momentum = state.setdefault("momentum_buffer", torch.zeros_like(matrix.grad))
                momentum.lerp_(matrix.grad, 1 - group["momentum"])
                wanted = matrix.grad.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum
                height, width = matrix.shape
                rate = group["lr"] * math.sqrt(max(1, height / width))
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(orthogonal(wanted, group["ns_coefficients"], group["ns_steps"], group["eps"]), alpha=-rate)
        return loss


def orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """The nearly orthogonal matrix with the same singular vectors, all singular values about 1: the quintic Newton–Schulz iteration.

    Every iterate is a polynomial of the Gram matrix times the start. Only polynomial and Gram matrix are iterated, for kernels are
    several times wider than high.
    """
    a, b, c = coefficients
    wide = matrix.T if len(matrix) > matrix.shape[1] else matrix
    start = wide / wide.norm().clamp(min=eps)
    gram = start @ start.T
    polynomial = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    for step in range(steps):
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal().add_(a)
        polynomial = factor @ polynomial
        gram = factor @ gram @ factor if step < steps - 1 else gram
    found: Tensor = polynomial @ start
    return found.T if len(matrix) > matrix.shape[1] else found


class MuonAdamW:
    """Two optimisers as one. Convolution kernels reach Muon, which takes matrices only, as (out, rest) views.

    ``muon_rate`` 0 leaves everything to AdamW; so does ``embeddings`` for the parameters it names (by prefix).
    """

    def __init__(self, model: nn.Module, muon_rate: float, adam_rate: float, embeddings: tuple[str, ...] = ()) -> None:
        if not muon_rate:
            embeddings = ("",)
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.matrices = [p for name, p in named if p.ndim >= 2 and not name.startswith(embeddings)]
        rest = [p for name, p in named if p.ndim < 2 or name.startswith(embeddings)]
        self.views = [nn.Parameter(p.detach().reshape(len(p), -1)) for p in self.matrices]
        self.parts: list[tuple[torch.optim.Optimizer, float]] = []
        if self.views:
            self.parts.append((Muon(self.views, lr=muon_rate, weight_decay=0.0, momentum=0.95), muon_rate))
        if rest:
            self.parts.append((torch.optim.AdamW(rest, lr=adam_rate, weight_decay=0.0, betas=(0.9, 0.95)), adam_rate))
        self.parameters = [p for _, p in named]

    def step(self, share_of_rate: float, clip: float = 1.0) -> None:
        """One step at a share (0 to 1) of the full learning rates; gradients are clipped first and dropped after."""
        torch.nn.utils.clip_grad_norm_(self.parameters, clip)
        for view, matrix in zip(self.views, self.matrices, strict=True):
            view.grad = None if matrix.grad is None else matrix.grad.reshape(view.shape)
        for optimiser, rate in self.parts:
            for group in optimiser.param_groups:
                group["lr"] = rate * share_of_rate
            optimiser.step()
        for parameter in self.parameters:
            parameter.grad = None

    def state_dict(self) -> list[dict[str, object]]:
        return [optimiser.state_dict() for optimiser, _ in self.parts]

    def load_state_dict(self, states: list[dict[str, object]]) -> None:
        for (optimiser, _), state in zip(self.parts, states, strict=True):
            optimiser.load_state_dict(state)


DECAY_FROM = 0.55
"""Share of the steps after which learning rates decay, unless a recipe says otherwise."""


def decaying(done: float, warm_up: float = 0.02, decay_from: float = DECAY_FROM) -> float:
    """Share of the learning rate after a share ``done`` of the training: warm-up, plateau, linear decay to 2 %."""
    if done < warm_up:
        return max(done / warm_up, 0.05)
    return 1.0 if done < decay_from else 0.02 + 0.98 * max(0.0, (1 - done) / (1 - decay_from))
