from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from unconceal_lab.models import training_loop
from unconceal_lab.models.optimizer import MuonAdamW
from unconceal_lab.models.training_loop import fit

Loss = Callable[[np.random.Generator, torch.Generator, float], torch.Tensor]
STEPS = 14


def network() -> nn.Module:
    """Convolutions, weights without and with a batch's statistics, and a whole-numbered buffer."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(16, 2))


def loss_of(model: nn.Module, fail_at: float = 2.0) -> Loss:
    def loss(rng: np.random.Generator, noise: torch.Generator, done: float) -> torch.Tensor:
        if done >= fail_at:
            raise RuntimeError("power cut")
        if done >= 6 / STEPS:
            training_loop.CHECKPOINT_SECONDS = 10**9
        x = torch.randn(8, 3, 6, 6, generator=noise) + float(rng.normal())
        return functional.mse_loss(model(x), x.mean((2, 3))[:, :2])

    return loss


def train(work_dir: Path, average: float, fail_at: float = 2.0, log_lines: list[str] | None = None) -> tuple[nn.Module, float]:
    model = network()
    optimizer = MuonAdamW(model, 5e-3, 1e-3)
    minutes = fit(
        "net", model, loss_of(model, fail_at), optimizer, STEPS, 5, work_dir, average, (log_lines if log_lines is not None else []).append
    )
    return model, minutes


def equal(first: nn.Module, other: nn.Module) -> bool:
    weights = other.state_dict()
    return all(torch.equal(value, weights[name]) for name, value in first.state_dict().items())


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, average: float
) -> None:
    """The last checkpoint is of step 6, the interruption at step 10: four steps are done twice."""
    monkeypatch.setattr(training_loop, "CHECKPOINT_SECONDS", 10**9)
    whole, _ = train(tmp_path, average)
    monkeypatch.setattr(training_loop, "CHECKPOINT_SECONDS", -1)
    with pytest.raises(RuntimeError, match="power cut"):
        train(tmp_path, average, fail_at=10 / STEPS)
    state = torch.load(tmp_path / "net.resume.pt", weights_only=True)
    assert state["step"] == 6 and not equal(whole, network())
    log_lines: list[str] = []
    resumed, minutes = train(tmp_path, average, log_lines=log_lines)
    assert equal(resumed, whole) and minutes > state["minutes"] >= 0
    assert list(tmp_path.iterdir()) == [] and [line.split(" loss")[0] for line in log_lines] == ["net: step 13/14"]


def test_a_checkpoint_of_another_recipe_is_left_aside(tmp_path: Path) -> None:
    """A checkpoint that another number of steps left behind would end on another schedule."""
    whole, _ = train(tmp_path, 0.0)
    torch.save({"schedule": [STEPS + 1, 5]}, tmp_path / "net.resume.pt")
    log_lines: list[str] = []
    again, _ = train(tmp_path, 0.0, log_lines=log_lines)
    assert equal(again, whole) and "ignored" in log_lines[0]


def test_the_average_is_an_average_of_the_weights_on_the_way(tmp_path: Path) -> None:
    """By hand, for one weight that gradients move by hand: shadow ← keep · shadow + (1 − keep) · weight."""
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    values: list[float] = []

    def loss(rng: np.random.Generator, noise: torch.Generator, done: float) -> torch.Tensor:
        values.append(model.weight.item())
        return model.weight.sum()

    optimizer = MuonAdamW(model, 0, 0.1)
    fit("line", model, loss, optimizer, 6, 0, tmp_path, 0.5, lambda line: None)
    plain = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        plain.weight.fill_(1.0)
    fit("line", plain, lambda *_: plain.weight.sum(), MuonAdamW(plain, 0, 0.1), 6, 0, tmp_path, 0.0, lambda line: None)
    shadow = 1.0
    for step, weight in enumerate([*values[1:], plain.weight.item()]):
        keep = min(0.5, (1 + step) / (10 + step))
        shadow = keep * shadow + (1 - keep) * weight
    assert np.isclose(model.weight.item(), shadow, atol=1e-6)


def test_the_loss_is_told_how_far_it_is_and_draws_by_step(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    calls: list[tuple[float, float, float]] = []

    def loss(rng: np.random.Generator, noise: torch.Generator, done: float) -> torch.Tensor:
        calls.append((done, float(rng.random()), float(torch.rand(1, generator=noise))))
        return model.weight.square().sum()

    for _ in range(2):
        fit("net", model, loss, MuonAdamW(model, 0, 1e-3), 4, 9, tmp_path, 0.0, lambda line: None)
    assert [done for done, _, _ in calls[:4]] == [0, 0.25, 0.5, 0.75] and calls[:4] == calls[4:] and len(set(calls)) == 4
    assert not model.training


def test_compiled_shares_the_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    monkeypatch.setattr(torch, "compile", lambda module: nn.Sequential(module))
    monkeypatch.setattr(shutil, "which", {"g++": "/usr/bin/g++"}.get)
    assert list(map(id, training_loop.compile_module(model).parameters())) == list(map(id, model.parameters()))
    monkeypatch.setattr(shutil, "which", {}.get)
    assert training_loop.compile_module(model) is model
