from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pipelines import tiny_pipeline
from unconceal_lab.unlearners.concept_captions import caption_pair, encode_prompts
from unconceal_lab.unlearners.token_alignment import counterpart_embeddings
from unconceal_lab.unlearners.uce import edit_matrix, uce


def test_the_closed_form_is_the_least_squares_solution() -> None:
    """Against numpy's least squares on the stacked, weighted rows of the three sums."""
    rng = np.random.default_rng(0)
    weight, source, target, retained = (rng.normal(size=size) for size in ((5, 7), (20, 7), (20, 7), (30, 7)))
    a, b, ridge = 2.0, 0.5, 0.3
    rows = np.concatenate([a**0.5 * source, b**0.5 * retained, ridge**0.5 * np.eye(7)])
    targets = np.concatenate([a**0.5 * target @ weight.T, b**0.5 * retained @ weight.T, ridge**0.5 * weight.T])
    expected = np.linalg.lstsq(rows, targets, rcond=None)[0].T
    w, c, wished, r = (torch.from_numpy(x) for x in (weight, source, target, retained))
    result = edit_matrix(w, c, wished, r, a, b, ridge)
    assert np.allclose(result.numpy(), expected, atol=1e-9)


def test_nothing_to_edit_changes_nothing() -> None:
    weight, retained = torch.randn(5, 7).double(), torch.randn(30, 7).double()
    assert torch.allclose(edit_matrix(weight, retained[:4], retained[:4], retained), weight)


def test_keys_and_values_of_the_concept_become_those_of_its_counterpart(tmp_path: Path) -> None:
    pipeline = tiny_pipeline(tmp_path)
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    weights, minutes = uce(pipeline, "star", 3, log=lambda line: None, n_pairs=60, n_retain=60)
    assert minutes > 0 and all(torch.equal(value, before[name]) for name, value in pipeline.unet.state_dict().items())
    assert set(weights) == {f"unet.{name}" for name in before if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))}
    assert {value.dtype for value in weights.values()} == {torch.float16}
    rng = np.random.default_rng(9)
    pairs = [caption_pair("star", rng) for _ in range(40)]
    prompt_embeds = encode_prompts(pipeline, [pair.text for pair in pairs])
    change = counterpart_embeddings(pipeline, "star", pairs, prompt_embeds) - prompt_embeds
    moves = change.abs().amax(-1) > 1e-3
    for name, new in weights.items():
        original = before[name.removeprefix("unet.")]
        targets = (prompt_embeds + change) @ original.T
        distance, remaining = ((prompt_embeds @ matrix.T - targets)[moves].norm().item() for matrix in (original, new.float()))
        assert remaining < 0.9 * distance
