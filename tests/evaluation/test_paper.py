"""Protocol ``paper`` from end to end on random weights, and its scores against an independent recomputation on fixed features."""

from __future__ import annotations

from dataclasses import replace
from math import atan, exp, pi, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from codes import raises
from evaluation.tiny import tiny_root
from unconceal.cli.main import main
from unconceal.evaluation import paper as protocol
from unconceal.evaluation.evaluation import Evaluation
from unconceal.evaluation.image_scores import Scores
from unconceal.execution.scheduler import schedule
from unconceal.generate.generator import Pixels
from unconceal.generate.paper_generator import RestartedGenerator
from unconceal.judges.finetune import Classifier
from unconceal.judges.paper_classifier import TrainedClassifier
from unconceal.paths import DataRoot
from unconceal.progress import Silent
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.paper_protocol import RELEASED_PSI, PaperProtocol
from unconceal.specs.record import Record, read_record

SMALL = (
    "paper: {num_inference_steps: 5, n_images: 6, epochs: 1, batch_size: 8, n_prompts: 2, n_retain_prompts: 1, psi: [0.001, 0.25, 0.55]}\n"
)
TASK = "tiny:object/star"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    created = tiny_root(tmp_path_factory.mktemp("tiny"))
    suite = created.tasks / "tiny" / "suite.yaml"
    suite.write_text(suite.read_text() + SMALL)
    return created


@pytest.fixture(scope="module")
def evaluation(root: DataRoot) -> Evaluation:
    return Evaluation(load_suite(root, "tiny"), root, shard_size=4, protocol="paper")


@pytest.fixture(scope="module")
def record(root: DataRoot, evaluation: Evaluation) -> Record:
    return schedule(evaluation, [(load_task(root, TASK), load_submission(root, "tiny/esd-x"))])[0]


def test_the_defaults_are_the_releases() -> None:
    values = PaperProtocol()
    assert (values.num_inference_steps, values.guidance_scale, values.n_images, values.seed, values.psi) == (
        100,
        7.5,
        200,
        42,
        RELEASED_PSI,
    )
    assert (values.learning_rate, values.momentum, values.batch_size, values.epochs, values.held_out_fraction) == (1e-3, 0.9, 32, 10, 0.2)
    assert (values.triplet_margin, values.n_negatives, values.extractors) == (1, 3, ("resnet18",))


def test_the_record_has_the_releases_scores_and_no_verdict(record: Record, evaluation: Evaluation, root: DataRoot) -> None:
    assert record.protocol == "paper" and record.verdict.label == "undetermined" and "no golds" in record.verdict.reason
    names = ("ccs", "crs.released", "crs.signed", "accuracy")
    assert set(record.scores) == {f"{name}.{split}.resnet18" for name in names for split in ("forget", "retain")}
    assert read_record(evaluation.record_path(load_task(root, TASK), "esd-x")) == record
    assert {(curve.name, curve.split, len(curve.psi), curve.n) for curve in record.curves} == {
        (name, split, 3, n) for name in names[:3] for split, n in (("forget", 2), ("retain", 1))
    }


def test_scores_are_plain_means_over_psi(record: Record) -> None:
    for curve in record.curves:
        expected = np.mean(np.array(curve.per_prompt, float))
        assert record.scores[f"{curve.name}.{curve.split}.resnet18"].value == pytest.approx(expected)


def test_at_the_smallest_psi_the_handover_image_is_one_of_the_unlearned(root: DataRoot, evaluation: Evaluation) -> None:
    """θ runs no step there, and its seed is one of λU's: a defect of the release, kept."""
    task, submission = load_task(root, TASK), load_submission(root, "tiny/esd-x")
    values = evaluation.suite.paper_protocol.model_copy(update={"seed": 3})
    own = Evaluation(evaluation.suite.model_copy(update={"paper": values}), root, shard_size=4, protocol="paper")
    original, unlearned, applied = own.models(
        task, submission, own.suite.sampler.model_copy(update={"num_inference_steps": 5, "guidance_scale": 7.5})
    )
    prompt = protocol.plan_evaluation(own, task, applied.sha256 or "")["forget"][0]
    assert prompt.k[0.001] == 0
    images = protocol.generate(RestartedGenerator(own.store, original, unlearned), prompt)
    assert np.abs(images.handovers[0].astype(int) - images.unlearned[3]).max() <= 1
    assert not np.array_equal(images.handovers[2], images.handovers[0])


def test_a_second_run_generates_nothing(root: DataRoot, evaluation: Evaluation, record: Record) -> None:
    task, submission = load_task(root, TASK), load_submission(root, "tiny/esd-x")
    assert schedule(evaluation, [(task, submission)])[0].digest == record.digest
    evaluation.record_path(task, "esd-x").unlink()
    again = schedule(evaluation, [(task, submission)])[0]
    assert again.timing.forward_passes == 0 and again.digest == record.digest


class Mean(nn.Module):
    """Fixed features: the mean of each channel of a picture in [0, 1]."""

    width = 3

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def prepare(self, pixels: Pixels) -> torch.Tensor:
        return torch.from_numpy(np.array(pixels)).float().permute(0, 3, 1, 2) / 255

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3)) * self.scale


def test_scores_against_a_recomputation_on_fixed_features(evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    """CCS and both CRS of two prompts from the formulas in plain Python loops."""
    rng = np.random.default_rng(0)
    head = nn.Linear(3, 2)

    def fixed(*_: object) -> TrainedClassifier:
        return TrainedClassifier(Classifier(Mean(), head), 0.75)  # type: ignore[arg-type]

    monkeypatch.setattr(protocol, "fine_tune_as_released", fixed)
    shapes = {"original": 7, "unlearned": 5, "handovers": 3}
    prompts = [
        protocol.PromptImages(**{name: rng.integers(0, 255, (n, 4, 4, 3), dtype=np.uint8) for name, n in shapes.items()}) for _ in range(2)
    ]
    for split in ("forget", "retain"):
        scores = Scores()
        split_scores = protocol.score_split(evaluation, "resnet18", prompts, Silent())
        protocol.add_split(scores, split, "resnet18", {0.1: 1, 0.2: 2, 0.3: 3}, split_scores)
        expected = [recomputed(images, head, split) for images in prompts]
        for column, name in enumerate(("ccs", "crs.released", "crs.signed")):
            assert scores.by_name[f"{name}.{split}.resnet18"].value == pytest.approx(np.mean([row[column] for row in expected]), abs=1e-5)
        assert scores.by_name[f"accuracy.{split}.resnet18"].value == 0.75


def recomputed(images: protocol.PromptImages, head: nn.Linear, split: str) -> tuple[float, float, float]:
    """Means over ψ of CCS, CRS as released, and CRS signed, for one prompt."""

    def phi(image: Pixels) -> list[float]:
        return [float(np.mean(image[..., channel])) / 255 for channel in range(3)]

    def cosine(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / sqrt(sum(x * x for x in a)) / sqrt(sum(y * y for y in b))

    def pull(x: list[float], others: Pixels) -> float:
        return sum((1 - atan(cosine(x, phi(other)))) / (pi / 2) for other in others) / len(others)

    confidences, pulls = [], []
    weight, bias = head.weight.tolist(), head.bias.tolist()
    for image in images.handovers:
        x = phi(image)
        unlearned, original = (sum(w * f for w, f in zip(weight[i], x, strict=True)) + bias[i] for i in (0, 1))
        confidences.append(exp(original) / (exp(original) + exp(unlearned)))
        pulls.append(pull(x, images.unlearned) - pull(x, images.original))
    released = [abs(value) if split == "forget" else 1 - abs(value) for value in pulls]
    return float(np.mean(confidences)), float(np.mean(released)), float(np.mean(pulls))


def test_the_command(root: DataRoot, record: Record) -> None:
    options = ["--root", str(root.tasks.parent), "--store", str(root.store), "--threads", "1", "--device", "cpu"]
    done = CliRunner().invoke(main, ["run", "esd-x", "--protocol", "paper", "--dry-run", *options])
    assert done.exit_code == 0 and "esd-x" in done.output
    refused = CliRunner().invoke(main, ["run", "esd-x", "--protocol", "paper", "--tier", "quick", *options])
    assert refused.exit_code == 2 and "no tiers" in refused.output


def test_other_families_are_refused(tmp_path: Path) -> None:
    root = tiny_root(tmp_path, "flux")
    evaluation = Evaluation(load_suite(root, "tiny"), root, protocol="paper")
    with raises("protocol.wrong-family"):
        schedule(evaluation, [(load_task(root, TASK), load_submission(root, "tiny/esd-x"))])


def test_tiers_are_refused(evaluation: Evaluation) -> None:
    with raises("protocol.no-tiers"):
        replace(evaluation, tier_name="quick")
