from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pipelines import tiny_pipeline
from releases import layers, listening, with_release
from unconceal_lab.adversaries.continuations import NoiseTargets, joined
from unconceal_lab.adversaries.unet_training import UnetConfig, train_unet
from unconceal_lab.unlearners.concept_captions import encode_prompts


def targets(n: int, seed: int, embeds: torch.Tensor) -> NoiseTargets:
    generator = torch.Generator().manual_seed(seed)
    x, noise = (torch.randn(n, 4, 16, 16, generator=generator) for _ in range(2))
    return NoiseTargets(x, torch.full((n,), 500), embeds.expand(n, -1, -1), noise)


def error(unet: torch.nn.Module, part: NoiseTargets) -> float:
    with torch.no_grad():
        predicted = unet(part.x, part.t, part.prompt_embeds).sample
    return float((predicted - part.noise).square().mean())


def test_training_approaches_both_sets(tmp_path: Path) -> None:
    pipeline = listening(tiny_pipeline(tmp_path))
    empty, star = encode_prompts(pipeline, [""]), encode_prompts(pipeline, ["a star"])
    forget, retain = targets(4, 0, empty), targets(4, 1, star)
    config = UnetConfig(steps=40, learning_rate=3e-3, batch_size=4)
    weights = train_unet(pipeline, forget, retain, config, np.random.default_rng(0), lambda line: None, "test")
    assert set(weights) == layers(pipeline.unet)
    student = with_release(pipeline, weights)
    assert error(student, forget) < 0.9 * error(pipeline.unet, forget)
    assert error(student, retain) < 0.9 * error(pipeline.unet, retain)


def test_sets_are_joined_row_by_row(tmp_path: Path) -> None:
    embeds = torch.zeros(1, 3, 2)
    first, second = targets(2, 0, embeds), targets(3, 1, embeds)
    both = joined([first, second])
    assert torch.equal(both.select(torch.tensor([4])).x[0], second.x[2]) and len(both.noise) == 5
