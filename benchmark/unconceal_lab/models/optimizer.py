"""Muon for matrices, AdamW for all other parameters.

PyTorch's and timm's Muon orthogonalize in bfloat16, which is slow on processors without bfloat16 instructions: 22 s a step, not 0.5 s.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class Muon(torch.optim.Muon):
    """PyTorch's Muon, orthogonalizing in the precision of the weights."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update: momentum, Newton–Schulz, and a learning rate scaled by √(height / width) of tall matrices."""
        loss = closure() if closure else None
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                momentum = state.setdefault("momentum_buffer", torch.zeros_like(matrix.grad))
                momentum.lerp_(matrix.grad, 1 - group["momentum"])
                update = matrix.grad.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum
                height, width = matrix.shape
                learning_rate = group["lr"] * math.sqrt(max(1, height / width))
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(orthogonalize(update, group["ns_coefficients"], group["ns_steps"], group["eps"]), alpha=-learning_rate)
        return loss


def orthogonalize(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """Set all singular values of a matrix to about 1 by the quintic Newton–Schulz iteration.

    Each iterate is a polynomial of the Gram matrix times the start. Iterating on the Gram matrix alone is faster, since kernels are
    several times wider than high.

    Args:
        matrix: (m, n).
        coefficients: of the quintic polynomial.
        steps: number of iterations.
        eps: lower bound of the norm that the matrix is divided by.

    Returns:
        The orthogonalized matrix (m, n).
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
    result: Tensor = polynomial @ start
    return result.T if len(matrix) > matrix.shape[1] else result


class MuonAdamW:
    """Muon and AdamW as one optimizer. Muon sees convolution kernels as matrices (out, rest).

    Args:
        model: the module to train; frozen parameters are ignored.
        muon_learning_rate: learning rate of Muon; 0 trains with AdamW alone.
        adam_learning_rate: learning rate of AdamW.
        adam_prefixes: matrices that AdamW trains, by prefix of their name (embeddings).
    """

    def __init__(self, model: nn.Module, muon_learning_rate: float, adam_learning_rate: float, adam_prefixes: tuple[str, ...] = ()) -> None:
        if not muon_learning_rate:
            adam_prefixes = ("",)
        trainable = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.matrices = [p for name, p in trainable if p.ndim >= 2 and not name.startswith(adam_prefixes)]
        others = [p for name, p in trainable if p.ndim < 2 or name.startswith(adam_prefixes)]
        self.views = [nn.Parameter(p.detach().reshape(len(p), -1)) for p in self.matrices]
        self.optimizers: list[tuple[torch.optim.Optimizer, float]] = []
        if self.views:
            self.optimizers.append((Muon(self.views, lr=muon_learning_rate, weight_decay=0.0, momentum=0.95), muon_learning_rate))
        if others:
            self.optimizers.append(
                (torch.optim.AdamW(others, lr=adam_learning_rate, weight_decay=0.0, betas=(0.9, 0.95)), adam_learning_rate)
            )
        self.parameters = [p for _, p in trainable]

    def step(self, scale: float, max_grad_norm: float = 1.0) -> None:
        """Clip gradients, update at ``scale`` (0 to 1) times the learning rates, and drop the gradients."""
        torch.nn.utils.clip_grad_norm_(self.parameters, max_grad_norm)
        for view, matrix in zip(self.views, self.matrices, strict=True):
            view.grad = None if matrix.grad is None else matrix.grad.reshape(view.shape)
        for optimizer, learning_rate in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * scale
            optimizer.step()
        for parameter in self.parameters:
            parameter.grad = None

    def state_dict(self) -> list[dict[str, object]]:
        return [optimizer.state_dict() for optimizer, _ in self.optimizers]

    def load_state_dict(self, states: list[dict[str, object]]) -> None:
        for (optimizer, _), state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)


DECAY_FROM = 0.55
"""Fraction of the steps after which learning rates decay, unless a recipe says otherwise."""


def learning_rate_scale(progress: float, warm_up: float = 0.02, decay_from: float = DECAY_FROM) -> float:
    """Factor on the learning rate after a fraction ``progress`` of the training: warm-up, plateau, linear decay to 0.02."""
    if progress < warm_up:
        return max(progress / warm_up, 0.05)
    return 1.0 if progress < decay_from else 0.02 + 0.98 * max(0.0, (1 - progress) / (1 - decay_from))
