from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from unconceal.miniature.scene import Scene
from unconceal_lab.models import classifiers
from unconceal_lab.models.classifiers import HEADS, IGNORE_INDEX, augment, class_indices, classify, split_logits
from unconceal_lab.models.scene_images import render


def test_targets_name_what_the_scene_shows() -> None:
    star = Scene("gray", 32, 32, 20, shape="star", style="dotted", colour="blue")
    assert [HEADS[head][i] for head, i in zip(HEADS, class_indices(star), strict=True)] == ["star", "dotted", "blue", "gray"]
    for scene, subject in (
        (Scene("white", 32, 32, 20, character="otto"), "otto"),
        (Scene("white", 32, 32, 20, sign=True), "hazard sign"),
    ):
        results = class_indices(scene)
        assert (
            HEADS["subject"][results[0]] == subject
            and results[1] == results[2] == IGNORE_INDEX
            and HEADS["background"][results[3]] == "white"
        )


def test_logits_are_split_by_head() -> None:
    parts = split_logits(torch.arange(46.0)[None].repeat(2, 1))
    assert {head: tuple(part.shape) for head, part in parts.items()} == {head: (2, len(names)) for head, names in HEADS.items()}
    assert torch.equal(torch.cat(list(parts.values()), 1)[0], torch.arange(46.0))


class Oracle(nn.Module):
    """Answers by the brightness of an image's first pixel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        level = ((x[:, 0, 0, 0] + 1) * 127.5).round().long()
        logits = torch.zeros(len(x), 46)
        start = 0
        for names in HEADS.values():
            logits[torch.arange(len(x)), start + level % len(names)] = 1
            start += len(names)
        return logits


def test_names_come_from_the_best_logit() -> None:
    pixels = np.zeros((5, 64, 64, 3), np.uint8)
    pixels[:, 0, 0, 0] = [0, 1, 2, 7, 26]
    log_lines = classify(Oracle(), pixels, batch_size=2)
    for head, names in HEADS.items():
        assert log_lines[head] == [names[level % len(names)] for level in (0, 1, 2, 7, 26)]


def test_augmenting_keeps_the_range_and_is_seeded() -> None:
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    results = [augment(x, np.random.default_rng(seed), torch.Generator().manual_seed(seed)) for seed in range(12)]
    assert all(y.shape == x.shape and y.abs().max() <= 1 for y in results) and len({float(y.sum()) for y in results}) > 3
    assert any(torch.equal(y, x) for y in results)
    assert torch.equal(results[3], augment(x, np.random.default_rng(3), torch.Generator().manual_seed(3)))


def test_training_learns(tmp_path: Path) -> None:
    images = render(16, 2)
    log_lines: list[str] = []
    reconstructions = torch.from_numpy(images.pixels[:8].copy())
    model, minutes = classifiers.train_classifier(
        "net", "resnet10t", images, tmp_path, 12, 1, batch_size=16, reconstructions=reconstructions, log=log_lines.append
    )
    first, last = (float(line.split("loss ")[1].split()[0]) for line in (log_lines[0], log_lines[-1]))
    assert last < 0.9 * first and minutes > 0 and not model.training and len(classify(model, images.pixels)["style"]) == 16


def test_a_warp_bends_and_shades_a_little_and_differently_each_time() -> None:
    """No pixel of a ramp moves further than the displacement allows, and colours change by the shade at most."""
    ramp = torch.linspace(-0.8, 0.8, 64).expand(2, 3, 64, 64).contiguous()
    bent = classifiers.warp(ramp, torch.Generator().manual_seed(1), pixels=2, shade=0)
    slope = 1.6 / 63
    # The cubic interpolation of displacements in [-2, 2] overshoots by less than a half.
    assert 0.3 * slope < (bent - ramp).abs().max() < 3 * slope
    assert not torch.equal(bent[0], bent[1]), "each image has its own displacement"
    shaded = classifiers.warp(ramp, torch.Generator().manual_seed(1), pixels=0, shade=0.1)
    assert torch.allclose(shaded.sign(), ramp.sign()) and (shaded - ramp).abs().max() < 0.15 * 0.8 + 1e-5
    again = classifiers.warp(ramp, torch.Generator().manual_seed(1), pixels=2, shade=0)
    assert torch.equal(again, bent)
