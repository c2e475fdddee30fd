"""How a suite's concept judge is trained on θ's own images, and the accuracy gate that it has to pass (no torch)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from unconceal.errors import CheckFailed, UnconcealError
from unconceal.specs.spec import Count, Digest, Mistake, Ratio, Spec
from unconceal.specs.task import Head, Task

CONCEPT_SLOT, CLIP = "{}", "clip"
"""Placeholder of the concept in a template; name of the suite's CLIP among the features."""


class Templates(Spec):
    """Prompts for one head of the judge.

    Attributes:
        train: templates with ``{}`` for the concept.
        held_out: the same for the accuracy gate.
        without_concept: prompts that show no concept; every second one is held out.
    """

    train: tuple[str, ...] = Field(min_length=1)
    held_out: tuple[str, ...] = Field(min_length=1)
    without_concept: tuple[str, ...] = Field((), description="at least two, or none: then there is no class of images without a concept")

    def mistakes(self) -> Iterator[Mistake]:
        """Templates without a placeholder, or in both splits."""
        for split, texts in (("train", self.train), ("held_out", self.held_out)):
            for index, text in enumerate(texts):
                if text.count(CONCEPT_SLOT) != 1:
                    yield Mistake(
                        "judge.bad-template", (split, index), repr(text), "does not say once where the concept stands", "write {} there"
                    )
                if split == "held_out" and text in self.train:
                    consequence = "is trained on, too, so nothing would be held out"
                    yield Mistake("judge.not-held-out", (split, index), repr(text), consequence, "word it otherwise")
        if len(self.without_concept) == 1 or len(set(self.without_concept)) < len(self.without_concept):
            yield Mistake(
                "judge.too-few-prompts", ("without_concept",), "without_concept", "holds one prompt, or one twice", "give several, or none"
            )


SUBJECTS = Templates(
    train=(
        "a photo of {}",
        "{} in a park",
        "a close view of {}",
        "{} against a plain wall",
        "{} seen from far away",
        "an illustration of {}",
        "{} on a cloudy day",
        "{} by lamplight",
    ),
    held_out=("a picture of {}", "{} in the evening", "{} beside a road", "a sketch of {}"),
    without_concept=(
        "a photo of an empty road",
        "a plain wall",
        "a cloudy sky over a field",
        "a sketch of a park",
        "an empty room",
        "a sandy beach",
    ),
)
STYLES = Templates(
    train=(
        "a village {}",
        "a forest {}",
        "a portrait of a woman {}",
        "a ship at sea {}",
        "bottles on a shelf {}",
        "a bridge over water {}",
        "a horse in a field {}",
        "a city square {}",
    ),
    held_out=("a house by a lake {}", "a portrait of an old man {}", "a garden path {}", "a range of hills {}"),
    without_concept=(
        "a photo of a village",
        "a photo of a house by a lake",
        "a photo of a forest",
        "a photo of an old man",
        "a photo of a woman",
        "a photo of a garden path",
        "a photo of a city square",
        "a photo of a range of hills",
    ),
)


class JudgeTraining(Spec):
    """How the concept judge is trained, once per suite version.

    Attributes:
        features: backbones, extractors of the suite or ``clip``; empty: all extractors.
        subject: prompts of the subject head; ``style``: of the style head.
        seeds: training images per prompt.
        held_out_seeds: held-out images per prompt.
        clean_psi: ψ at which θ's clean prediction x̂0 is used as a further, softer image.
        seed: of all other random draws.
        min_balanced_accuracy: minimum of the lower end of the interval of a label's balanced accuracy on held-out prompts.
    """

    features: tuple[str, ...] = ()
    subject: Templates = SUBJECTS
    style: Templates = STYLES
    seeds: Count = 4
    held_out_seeds: Count = 10
    clean_psi: Ratio = 0.5
    seed: int = Field(51, ge=0)
    min_balanced_accuracy: Ratio = 0.9

    def templates(self, head: Head) -> Templates:
        """Prompts of a head."""
        return self.subject if head == "subject" else self.style


class LabelGate(Spec):
    """Balanced accuracy of one label on held-out images, with its 95 % interval.

    Attributes:
        value: None if no held-out image shows the label.
        positives: number of images that show it; ``negatives``: that do not.
    """

    value: float | None
    low: Ratio
    high: Ratio
    positives: int = Field(ge=0)
    negatives: int = Field(ge=0)


class JudgeGate(Spec):
    """Held-out accuracy of a concept judge. ``judge``: its digest; ``labels``: measurements by ``head/label``."""

    judge: Digest
    min_balanced_accuracy: Ratio
    labels: dict[str, LabelGate]

    def failure(self, head: str, label: str) -> str | None:
        """Why a label fails the gate; None if it passes."""
        measured = self.labels.get(f"{head}/{label}")
        if measured is None:
            return "was never held to its gate"
        if measured.value is None or measured.low < self.min_balanced_accuracy:
            reached = "no held-out image shows it" if measured.value is None else f"balanced accuracy {measured.value:.3f}"
            return f"fails its gate: {reached}, lower end {measured.low:.3f} of the {self.min_balanced_accuracy:.2f} asked for"
        return None


def gate_path(judge: Path) -> Path:
    """File of a judge's gate, beside its folder so that the folder's digest does not cover it."""
    return judge.with_name(f"{judge.name}-gate.json")


def read_gate(judge: Path) -> JudgeGate | None:
    """The gate of a judge; None if there is none.

    Raises:
        CheckFailed: the file is no gate.
    """
    path = gate_path(judge)
    if not path.is_file():
        return None
    try:
        return JudgeGate.model_validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        raise CheckFailed("judge.bad-gate", str(path), "is no gate of a concept judge", "restore it, or make the judge again") from error


def gate_error(task: Task, judge: Path, digest: str) -> UnconcealError | None:
    """The error if a concept judge did not pass its gate for a task; None if it did, or if the task uses a detector.

    Args:
        task: the task.
        judge: folder of the judge.
        digest: SHA-256 of the folder.
    """
    if task.detector is not None:
        return None
    gate, value = read_gate(judge), f"{task.id}: the concept judge on {task.judge.label!r}"
    training = "more images or other features (`judge_training.features`) make a new suite version"
    remedy = f"train it again with `unconceal tasks judge {task.suite}`: {training}"
    if gate is None or gate.judge != digest:
        consequence = "was never held to its gate" if gate is None else "was held to a gate, but that was another judge"
        return CheckFailed("judge.no-gate", value, f"{consequence}, so its answers may mean nothing", remedy)
    failure = gate.failure(task.judge.head, task.judge.label)
    return CheckFailed("judge.gate-failed", value, f"{failure}, so no verdict could rest on it", remedy) if failure else None
