from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pipelines import tiny_pipeline
from unconceal_lab.unlearners.concept_captions import embeddings, paired
from unconceal_lab.unlearners.token_alignment import counterparts
from unconceal_lab.unlearners.uce import edited, uce


def test_the_closed_form_is_the_least_squares_solution() -> None:
    """Against numpy's least squares on the stacked, weighted rows of the three sums."""
    rng = np.random.default_rng(0)
    weight, source, target, kept = (rng.normal(size=size) for size in ((5, 7), (20, 7), (20, 7), (30, 7)))
    a, b, ridge = 2.0, 0.5, 0.3
    rows = np.concatenate([a**0.5 * source, b**0.5 * kept, ridge**0.5 * np.eye(7)])
    wanted = np.concatenate([a**0.5 * target @ weight.T, b**0.5 * kept @ weight.T, ridge**0.5 * weight.T])
    expected = np.linalg.lstsq(rows, wanted, rcond=None)[0].T
    w, c, wished, r = (torch.from_numpy(x) for x in (weight, source, target, kept))
    result = edited(w, c, wished, r, a, b, ridge)
    assert np.allclose(result.numpy(), expected, atol=1e-9)


def test_nothing_to_edit_changes_nothing() -> None:
    weight, kept = torch.randn(5, 7).double(), torch.randn(30, 7).double()
    assert torch.allclose(edited(weight, kept[:4], kept[:4], kept), weight)


def test_keys_and_values_of_the_concept_become_those_of_its_counterpart(tmp_path: Path) -> None:
    pipe = tiny_pipeline(tmp_path)
    before = {name: value.clone() for name, value in pipe.unet.state_dict().items()}
    weights, minutes = uce(pipe, "star", 3, say=lambda line: None, captions=60, retained=60)
    assert minutes > 0 and all(torch.equal(value, before[name]) for name, value in pipe.unet.state_dict().items())
    assert set(weights) == {f"unet.{name}" for name in before if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))}
    assert {value.dtype for value in weights.values()} == {torch.float16}
    rng = np.random.default_rng(9)
    pairs = [paired("star", rng) for _ in range(40)]
    said = embeddings(pipe, [pair.said for pair in pairs])
    change = counterparts(pipe, "star", pairs, said) - said
    moves = change.abs().amax(-1) > 1e-3
    for name, new in weights.items():
        old = before[name.removeprefix("unet.")]
        wanted = (said + change) @ old.T
        apart, still = ((said @ matrix.T - wanted)[moves].norm().item() for matrix in (old, new.float()))
        assert still < 0.9 * apart
