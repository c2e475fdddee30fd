from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from unconceal_lab.models.optimizer import Muon, MuonAdamW, learning_rate_scale


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(), nn.Conv2d(8, 2, 4))


def error(model: nn.Module) -> torch.Tensor:
    x = torch.randn(16, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    return functional.mse_loss(model(x)[:, :, 0, 0], x.mean((2, 3))[:, :2])


def steps(model: nn.Module, optimizer: MuonAdamW, count: int) -> None:
    for _ in range(count):
        error(model).backward()  # type: ignore[no-untyped-call]
        optimizer.step(1.0)


def shared(optimizer: MuonAdamW) -> bool:
    return all(
        v.data_ptr() == m.data_ptr() and torch.equal(v.view(m.shape), m) for v, m in zip(optimizer.views, optimizer.matrices, strict=True)
    )


def test_kernels_are_trained_through_their_views() -> None:
    model = network()
    optimizer = MuonAdamW(model, 5e-3, 1e-3)
    assert [tuple(view.shape) for view in optimizer.views] == [(8, 27), (2, 128)] and shared(optimizer)
    before, kernels = error(model).item(), [m.detach().clone() for m in optimizer.matrices]
    steps(model, optimizer, 60)
    assert error(model).item() < 0.3 * before and shared(optimizer)
    assert all(not torch.equal(m, kernel) for m, kernel in zip(optimizer.matrices, kernels, strict=True))


def test_views_are_still_shared_after_loading() -> None:
    model, copied = network(), network()
    optimizer, loaded = MuonAdamW(model, 5e-3, 1e-3), MuonAdamW(copied, 5e-3, 1e-3)
    steps(model, optimizer, 3)
    copied.load_state_dict(model.state_dict())
    # An optimizer takes the tensors themselves, so two in one process would share their momenta.
    loaded.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert shared(loaded)
    steps(model, optimizer, 3)
    steps(copied, loaded, 3)
    assert shared(loaded) and all(torch.equal(a, b) for a, b in zip(model.parameters(), copied.parameters(), strict=True))


def test_a_step_on_a_kernel_is_nearly_orthogonal() -> None:
    """What Muon is for: all directions of a matrix move alike, however uneven its gradient."""
    model = nn.Conv2d(4, 6, 3, bias=False)
    optimizer, before = MuonAdamW(model, 1e-2, 1e-3), model.weight.detach().clone()
    scale = torch.logspace(0, -1, 6)[:, None, None, None]
    (model.weight * scale * torch.randn(6, 4, 3, 3, generator=torch.Generator().manual_seed(0))).sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step(1.0)
    change = torch.linalg.svdvals((model.weight.detach() - before).reshape(6, -1))
    assert change.min() > 0.4 * change.max() > 0


@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (40, 4)])
def test_steps_are_pytorchs_up_to_its_bfloat16(shape: tuple[int, int]) -> None:
    start, noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)), torch.Generator().manual_seed(1)
    own_weights, torch_weights = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    rendered = [kind([p], lr=0.1, weight_decay=0.1, momentum=0.9) for kind, p in ((Muon, own_weights), (torch.optim.Muon, torch_weights))]
    for _ in range(4):
        gradient = torch.randn(shape, generator=noise)
        for p, optimizer in zip((own_weights, torch_weights), rendered, strict=True):
            p.grad = gradient.clone()
            optimizer.step()  # type: ignore[no-untyped-call]
    change, difference = (torch_weights - start).norm(), (own_weights - torch_weights).norm()
    assert change > 0.1 and difference < 0.02 * change
    torch.testing.assert_close(rendered[0].state[own_weights]["momentum_buffer"], rendered[1].state[torch_weights]["momentum_buffer"])


@pytest.mark.parametrize(("rate", "prefixes", "matrices"), [(5e-3, (), 2), (5e-3, ("0.",), 1), (0.0, (), 0)])
def test_which_optimizer_trains_which_parameters(rate: float, prefixes: tuple[str, ...], matrices: int) -> None:
    model = network()
    optimizer = MuonAdamW(model, rate, 1e-3, adam_prefixes=prefixes)
    trained = [p for part, _ in optimizer.optimizers for group in part.param_groups for p in group["params"]]
    assert len(optimizer.matrices) == matrices and len(trained) == len(list(model.parameters()))
    assert {type(part).__name__ for part, _ in optimizer.optimizers} == ({"Muon", "AdamW"} if matrices else {"AdamW"})


def test_frozen_weights_are_left_alone() -> None:
    model = network()
    frozen = next(model.parameters()).requires_grad_(False)
    before = frozen.clone()
    optimizer = MuonAdamW(model, 5e-3, 1e-3)
    steps(model, optimizer, 2)
    assert torch.equal(frozen, before) and len(optimizer.views) == 1


def test_gradients_are_dropped_and_the_rate_is_shared() -> None:
    model = network()
    optimizer = MuonAdamW(model, 5e-3, 1e-3)
    error(model).backward()  # type: ignore[no-untyped-call]
    optimizer.step(0.5)
    assert all(p.grad is None for p in model.parameters())
    assert [group["lr"] for part, _ in optimizer.optimizers for group in part.param_groups] == [2.5e-3, 5e-4]


def test_the_rate_warms_up_stays_and_decays() -> None:
    shares = [learning_rate_scale(step / 1000) for step in range(1001)]
    assert shares[0] == 0.05 and shares[10] == pytest.approx(0.5) and set(shares[20:550]) == {1.0}
    assert shares[775] == pytest.approx(0.51) and shares[1000] == pytest.approx(0.02)
    assert shares[:20] == sorted(shares[:20]) and shares[550:] == sorted(shares[550:], reverse=True) and min(shares) > 0
