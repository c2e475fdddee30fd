from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from adversary_inputs import random_judge, tiny_inputs
from pipelines import tiny_pipeline
from unconceal.checkpoints.apply import apply
from unconceal_lab.adversaries.decoder import DecoderConfig, decoder, logit_margin
from unconceal_lab.unlearners.denoising_loss import generate_latents

CONFIG = DecoderConfig(
    steps=12, learning_rate=1e-2, forget_weight=0, retain_weight=0, n_forget=4, n_retain=4, batch_size=4, sampling_steps=2
)


def test_the_margin_is_that_of_the_judges_logits() -> None:
    judge, rng = random_judge(), np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        margins = {label: logit_margin(judge, "subject", label, images) for label in judge.head.labels["subject"]}
    answers = judge.labels(pixels)["subject"]
    for i, answer in enumerate(answers):
        assert margins[answer][i] >= 0 and [label for label in margins if margins[label][i] > 0] == [answer]


def test_training_lowers_the_margin(tmp_path: Path) -> None:
    pipeline = tiny_pipeline(tmp_path)
    inputs = tiny_inputs(tmp_path, pipeline)
    weights = decoder(pipeline, "star", 0, lambda line: None, inputs=inputs, config=CONFIG).weights
    assert weights and all(name.startswith("vae.decoder.") for name in weights)
    save_file(weights, tmp_path / "release.safetensors")
    changed, _ = apply(pipeline, tmp_path / "release.safetensors")
    latents = generate_latents(pipeline, ["a red star", "a blue star"], 2, torch.Generator().manual_seed(1)).latents
    with torch.no_grad():
        before, after = (
            logit_margin(inputs.judge, "subject", "star", pipe.vae.decode(latents).sample).mean() for pipe in (pipeline, changed)
        )
    assert after < before
