"""Fixtures of all rooms: one thread per test process, and a small data root."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SUITE = """\
name: tiny
version: 1
title: A suite for tests
base: {{path: "package:miniature/weights/base", digest: {zeros}}}
sampler: {{scheduler: ddim, num_inference_steps: 5, guidance_scale: 5}}
tiers:
  quick:
    psi: [0, 0.3, 1]
    retain_psi: [0, 1]
    seeds: {{train: 2, reference: 2, evaluation: 2, retain: 1}}
    extractors: [resnet18]
seed_starts:
  train: 0
  reference: 100
  evaluation: 200
fine_tune: {{epochs: 1, batch_size: 4, learning_rate: 1e-3, momentum: 0.9, triplet_margin: 1}}
judges:
  concept: {{path: "package:miniature/weights/judge", digest: {zeros}}}
  extractors:
    resnet18: {{path: "package:miniature/weights/extractors/resnet18.safetensors", digest: {zeros}}}
  clip: {{path: "package:miniature/weights/clip", digest: {zeros}}}
""".format(zeros="'" + "0" * 64 + "'")

TASK = """\
concept: star
category: object
title: Forget the star
suite: tiny
license: Apache-2.0
judge: {head: subject, label: star}
aliases: [five-pointed figure]
gold_kind: trained-without
golds: [control-gold-1]
forget:
""" + "".join(f"  - text: a star number {number}\n" for number in range(12))

RETAIN = "retain:\n" + "".join(
    f"  - {{text: a thing called {name}, concept: {name}, head: subject}}\n"
    for name in ("circle", "ring", "square", "triangle", "diamond", "cross", "heart", "leaf", "house", "fish", "drop", "dome")
)

SUBMISSION = """\
name: esd-x
suite: tiny
title: ESD-x
description: A method.
checkpoints:
  object/star:
    path: submissions/tiny/weights/star.safetensors
    format: state-dict
"""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tests run beside each other on small machines; torch is left alone where a test has not loaded it."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """A folder with one suite, one task, one submission and no results."""
    folder = tmp_path / "root"
    for name, text in {
        "tasks/tiny/suite.yaml": SUITE,
        "tasks/tiny/object/star.yaml": TASK + RETAIN,
        "submissions/tiny/esd-x.yaml": SUBMISSION,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "results").mkdir()
    return folder
