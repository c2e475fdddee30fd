from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import torch

from pipelines import tiny_pipeline
from unconceal_lab.adversaries.relearning_resistant import Relearner, ResistantConfig, generated_examples, relearners
from unconceal_lab.study.relearning import NONCE, RelearningRecipe

CONFIG = ResistantConfig(n_examples=20, sampling_steps=2, inner_steps=2, relearning_steps=4)


def test_a_relearner_follows_the_recipe(tmp_path: Path) -> None:
    """The copy changes, the original does not; of the token embeddings only the nonce word's; held-out images are not trained on."""
    pipeline, rng, generator = tiny_pipeline(tmp_path), np.random.default_rng(0), torch.Generator().manual_seed(0)
    examples = generated_examples(pipeline, "star", CONFIG, rng, generator)
    assert all(scene.shape == "star" for scene in examples.scenes) and len(examples.latents) == 20
    relearner = Relearner(pipeline, pipeline.unet, pipeline.text_encoder, "star", examples, RelearningRecipe(), rng, generator)
    row_indices: list[int] = []
    original = relearner.errors
    relearner.errors = lambda rows: row_indices.extend(rows) or original(rows)  # type: ignore[func-returns-value,method-assign]
    before = pipeline.text_encoder.get_input_embeddings().weight.clone()
    for _ in range(2):
        relearner.step()
    trained = set(row_indices)
    relearner.error(1.0)
    assert len(trained) <= 16 and not trained & set(row_indices[16:])
    moved = (relearner.embeddings - before).abs().amax(1) > 0
    nonce = pipeline.tokenizer(NONCE, add_special_tokens=False).input_ids
    assert set(moved.nonzero().flatten().tolist()) == set(nonce)
    assert torch.equal(pipeline.text_encoder.get_input_embeddings().weight, before)
    groups = [group["lr"] for group in relearner.optimizer.param_groups]
    assert groups == [2e-5, 2e-4, 5e-3]


def test_a_new_relearner_begins_when_the_last_has_finished(tmp_path: Path) -> None:
    pipeline, rng, generator = tiny_pipeline(tmp_path), np.random.default_rng(0), torch.Generator().manual_seed(0)
    examples = generated_examples(pipeline, "star", CONFIG, rng, generator)
    models = list(islice(relearners(pipeline, pipeline.unet, pipeline.text_encoder, "star", examples, CONFIG, rng, generator), 4))
    assert models[0] is models[1] and models[2] is models[3] and models[1] is not models[2]
    assert 0 < float(models[0].error(0.01)) <= 0.01
