"""``unconceal tasks judge`` on a made suite over the miniature's base, whose pictures of four shapes can be told apart by construction."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from codes import printed_codes, raises
from unconceal.cli.main import main
from unconceal.evaluation.evaluation import Evaluation
from unconceal.miniature.drawing import draw
from unconceal.miniature.scene import Scene
from unconceal.paths import DataRoot
from unconceal.specs.digests import path_digest
from unconceal.specs.judge_training import gate_path, read_gate
from unconceal.specs.loader import load_suite, load_task

OTHERS = ("circle", "heart", "house")
WEIGHTS = "package:miniature/weights"


def suite_yaml() -> str:
    """The miniature's base and judges, but for the concept judge, in eight steps."""
    shipped = load_suite(DataRoot.find(), "miniature")
    pinned = {"base": shipped.base, "clip": shipped.judges.clip, "resnet18": shipped.judges.extractors["resnet18"]}
    text = {name: f"{{path: '{part.path}', digest: '{part.digest}'}}" for name, part in pinned.items()}
    return f"""\
name: made
version: 1
title: Four shapes
draft: true
base: {text["base"]}
sampler: {{scheduler: ddim, num_inference_steps: 8, guidance_scale: 7.5}}
tiers:
  quick:
    psi: [0, 0.5, 1]
    retain_psi: [0, 1]
    seeds: {{train: 2, reference: 2, evaluation: 2, retain: 1}}
    extractors: [resnet18]
seed_starts: {{train: 0, reference: 100, evaluation: 200}}
fine_tune: {{epochs: 1, batch_size: 16, learning_rate: 1e-3, momentum: 0.9, triplet_margin: 1}}
judges:
  concept: {{path: tasks/made/judge, digest: '{"0" * 64}'}}
  extractors:
    resnet18: {text["resnet18"]}
  clip: {text["clip"]}
judge_training:
  seeds: 5
  held_out_seeds: 12
  min_balanced_accuracy: 0.8
  subject:
    train: ['a picture of {{}} on a white background', 'a picture of {{}} on a black background']
    held_out: ['a drawing of {{}}, gray background', 'a drawing of {{}}, white background']
"""


def task_yaml() -> str:
    retain = "".join(f"  - {{text: a red {name}, concept: {name}, head: subject}}\n" for name in OTHERS)
    return f"""\
concept: star
category: object
title: Forget the star
suite: made
license: Apache-2.0
judge: {{head: subject, label: star}}
caption: a star
forget:
  - text: a blue star
retain:
{retain}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made")
    for name, text in {"tasks/made/suite.yaml": suite_yaml(), "tasks/made/object/star.yaml": task_yaml()}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def invoke(folder: Path, *options: str) -> Result:
    chosen = () if "--gate" in options else ("--store", str(folder / "store"), "--threads", "1", "--device", "cpu")
    return CliRunner().invoke(main, ["tasks", "judge", "made", "--root", str(folder), *chosen, *options])


@pytest.mark.slow
def test_a_judge_of_the_bases_own_pictures(folder: Path) -> None:
    planned = invoke(folder, "--dry-run")
    assert planned.exit_code == 0 and "held out" in planned.stdout and not (folder / "store").exists()
    done = invoke(folder)
    assert done.exit_code == 0, done.output
    path, root = folder / "tasks/made/judge", DataRoot.find(folder)
    suite, task, gate = load_suite(root, "made"), load_task(root, "made:object/star"), read_gate(path)
    assert suite.judges.concept.digest == path_digest(path) and gate is not None and gate.judge == path_digest(path)
    assert 0 < gate.labels["subject/star"].positives <= 24 and gate.labels["subject/star"].low >= 0.8
    assert "unreadable" in json.loads((path / "judge.json").read_text())["labels"]["subject"]
    judge = Evaluation(suite, root, "quick").suite_models.judge_for(task)
    drawings = {name: np.stack([draw(Scene("white", 32, 32, 20, name, "flat", "red")) for _ in range(1)]) for name in ("star", *OTHERS)}
    assert [bool(judge.shows(drawing, "subject", "star")[0]) for drawing in drawings.values()] == [True, False, False, False]
    assert invoke(folder, "--gate").stdout.count("pass") >= 1

    text = json.loads(gate_path(path).read_text())
    text["labels"]["subject/star"]["low"] = 0.5
    gate_path(path).write_text(json.dumps(text))
    output = invoke(folder, "--gate")
    assert output.exit_code == 1 and "FAIL" in output.stdout and printed_codes(output.stderr) == ["judge.gate-failed"]
    with raises("judge.gate-failed"):
        Evaluation(suite, root, "quick").suite_models.judge_for(task)


def test_a_judge_of_the_package_is_not_made_here(folder: Path) -> None:
    suite = folder / "tasks/made/suite.yaml"
    before = suite.read_text()
    suite.write_text(before.replace("path: tasks/made/judge", f"path: '{WEIGHTS}/judge'"))
    done = invoke(folder)
    suite.write_text(before)
    assert done.exit_code == 2 and printed_codes(done.stderr) == ["judge.outside-root"]
