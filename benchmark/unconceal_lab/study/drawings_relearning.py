"""Relearning from drawings: a truth about submissions that is independent of the product's relearning probe.

It trains on drawings instead of θ's images, on more of them, for longer and at other learning rates, and with other prompts and sampler.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unconceal.evaluation.evaluation import Evaluation
from unconceal.files import write_atomically
from unconceal.specs.spec import Digest, Spec
from unconceal.specs.submission import Submission
from unconceal.specs.task import Task
from unconceal_lab.study.relearning import RelearningRecipe, measure_learning

RECIPE = RelearningRecipe(
    n_examples=32, batch_size=16, unet_learning_rate=4e-5, encoder_learning_rate=1e-4, evaluation_steps=(0, 10, 20, 40, 80), seed=83
)
TRUTH_STEP = 40
"""The step at which a model that holds the concept has learnt it, and a gold has not."""
FILE = Path("battery", "drawings.jsonl")


class DrawingsCurve(Spec):
    """Shares of images ``rates`` that show the concept after training ``steps``; ``weights``: digest of the model, null for θ."""

    task: str
    submission: str
    weights: Digest | None
    steps: tuple[int, ...]
    rates: tuple[float, ...]
    minutes: float

    @property
    def learnt(self) -> float:
        """The rate at :data:`TRUTH_STEP`."""
        return self.rates[self.steps.index(TRUTH_STEP)]


def measure_curve(evaluation: Evaluation, task: Task, submission: Submission) -> DrawingsCurve:
    """Train a submission on drawings of a task's concept; the suite's concept judge looks at the images."""
    _, unlearned, applied = evaluation.models(task, submission)
    judge, reference = evaluation.suite_models.judge_for(task), task.judge

    def concept_rate(pixels: NDArray[np.uint8]) -> float:
        return float(judge.shows(pixels, reference.head, reference.label).mean())

    curve = measure_learning(unlearned.pipeline, reference.label, concept_rate, RECIPE, evaluation.progress.log)
    rates = tuple(round(rate, 4) for rate in curve.rates)
    return DrawingsCurve(
        task=task.id, submission=submission.name, weights=applied.sha256, steps=curve.steps, rates=rates, minutes=round(curve.minutes, 2)
    )


def read_curves(path: Path) -> dict[tuple[str, str], DrawingsCurve]:
    """Curves by task and submission; empty if there is no file."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    curves = (DrawingsCurve.model_validate_json(line) for line in lines)
    return {(curve.task, curve.submission): curve for curve in curves}


def write_curve(curve: DrawingsCurve, path: Path) -> None:
    """Add a curve, in place of an older one of the same task and submission."""
    curves = read_curves(path) | {(curve.task, curve.submission): curve}
    write_atomically(path, "".join(curves[key].model_dump_json() + "\n" for key in sorted(curves)).encode())
