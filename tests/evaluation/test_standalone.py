"""A surrogate gold: a pipeline of its own text encoder, prediction and noise schedule, from a submission to a record."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from codes import raises
from evaluation.tiny import tiny_root
from pipelines import WIDTH, tiny_pipeline
from unconceal.evaluation.evaluation import Evaluation
from unconceal.execution.scheduler import schedule
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_submission, load_suite, load_task

GOLD = """\
name: {name}
suite: tiny
title: A surrogate
description: Another world.
checkpoints:
  object/star:
    path: models/{folder}
    format: standalone
"""


def surrogate(root: DataRoot, name: str, folder: str) -> None:
    path = root.submissions / "tiny" / f"{name}.yaml"
    path.write_text(GOLD.format(name=name, folder=folder))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """The tiny suite; a surrogate with the base's VAE, and a stranger with its own."""
    folder = tmp_path_factory.mktemp("tiny")
    root = tiny_root(folder)
    base = StableDiffusionPipeline.from_pretrained(folder / "models" / "base", safety_checker=None)
    torch.manual_seed(9)
    unet = UNet2DConditionModel.from_config({**base.unet.config, "cross_attention_dim": 2 * WIDTH})
    words = CLIPTextModel(CLIPTextConfig(**{**base.text_encoder.config.to_dict(), "hidden_size": 2 * WIDTH, "intermediate_size": 48}))
    schedule = DDIMScheduler.from_config(base.scheduler.config, prediction_type="v_prediction", beta_schedule="linear", beta_end=0.02)
    created = StableDiffusionPipeline(
        **{**base.components, "unet": unet, "text_encoder": words, "scheduler": schedule}, requires_safety_checker=False
    )
    created.save_pretrained(folder / "models" / "surrogate")
    tiny_pipeline(folder / "models" / "stranger", seed=5)
    surrogate(root, "control-gold-3", "surrogate")
    surrogate(root, "control-gold-4", "stranger")
    return root


@pytest.fixture(scope="module")
def evaluation(root: DataRoot) -> Evaluation:
    return Evaluation(load_suite(root, "tiny"), root, "quick", shard_size=8)


def test_it_is_measured_like_any_gold(root: DataRoot, evaluation: Evaluation) -> None:
    record = schedule(evaluation, [(load_task(root, "tiny:object/star"), load_submission(root, "tiny/control-gold-3"))])[0]
    assert record.checkpoint.format == "standalone" and len(record.checkpoint.sha256 or "") == 64
    curve = next(c for c in record.curves if (c.name, c.arm, c.split) == ("presence", "empty", "forget"))
    assert len(curve.value) == 4


def test_another_latent_space_is_refused(root: DataRoot, evaluation: Evaluation) -> None:
    with raises("checkpoint.other-latent-space"):
        schedule(evaluation, [(load_task(root, "tiny:object/star"), load_submission(root, "tiny/control-gold-4"))])


def test_only_golds_may_be_pipelines_of_their_own(root: DataRoot) -> None:
    surrogate(root, "my-method", "surrogate")
    try:
        with raises("submission.standalone-reserved"):
            load_submission(root, "tiny/my-method")
    finally:
        (root.submissions / "tiny" / "my-method.yaml").unlink()


def test_a_missing_or_altered_one_is_refused(root: DataRoot, evaluation: Evaluation) -> None:
    task, gold = load_task(root, "tiny:object/star"), load_submission(root, "tiny/control-gold-3")
    promised = gold.checkpoints[task.id].model_copy(update={"sha256": "a" * 64})
    with raises("checkpoint.digest-mismatch"):
        evaluation.models(task, gold.model_copy(update={"checkpoints": {task.id: promised}}))
    missing = gold.checkpoints[task.id].model_copy(update={"path": "models/nowhere"})
    with raises("checkpoint.not-found"):
        evaluation.models(task, gold.model_copy(update={"checkpoints": {task.id: missing}}))
