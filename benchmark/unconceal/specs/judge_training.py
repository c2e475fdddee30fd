"""How a suite's concept judge is made of θ's own pictures, and the gate that it was held to (no torch)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from unconceal.errors import CheckFailed, UnconcealError
from unconceal.specs.spec import Count, Digest, Mistake, Ratio, Spec
from unconceal.specs.task import Head, Task

CONCEPT_SLOT, CLIP = "{}", "clip"
"""Where a template says the concept; and the name under which a judge may stand on the suite's CLIP."""


class Templates(Spec):
    """Prompts of one head: ``train`` and ``held_out`` say a concept at ``{}``; ``without`` show none, every second of them held out."""

    train: tuple[str, ...] = Field(min_length=1)
    held_out: tuple[str, ...] = Field(min_length=1)
    without_concept: tuple[str, ...] = Field(
        (), description="at least two, or none: then there is no class of pictures that show no concept"
    )

    def mistakes(self) -> Iterator[Mistake]:
        """Templates without a place for the concept, or on both sides."""
        for split, texts in (("train", self.train), ("held_out", self.held_out)):
            for place, text in enumerate(texts):
                if text.count(CONCEPT_SLOT) != 1:
                    yield Mistake(
                        "judge.bad-template", (split, place), repr(text), "does not say once where the concept stands", "write {} there"
                    )
                if split == "held_out" and text in self.train:
                    consequence = "is trained on, too, so nothing would be held out"
                    yield Mistake("judge.not-held-out", (split, place), repr(text), consequence, "word it otherwise")
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
    """How the concept judge is made, once per suite version.

    ``on``: what it stands on, extractors of the suite or ``clip``; empty: every extractor. ``seeds``, ``held_out_seeds``: pictures per
    prompt. ``clean_psi``: where θ's clean prediction x̂0 is taken as a softer picture. ``seed``: of every other draw. ``least``: the lower
    end of balanced accuracy that a task's concept must reach on held-out prompts.
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
        return self.subject if head == "subject" else self.style


class LabelGate(Spec):
    """Balanced accuracy of one label, its 95 % interval, and how many held-out pictures do and don't show it; ``value`` None: none do."""

    value: float | None
    low: Ratio
    high: Ratio
    positives: int = Field(ge=0)
    negatives: int = Field(ge=0)


class JudgeGate(Spec):
    """What a concept judge reached on held-out pictures. ``judge``: its digest; ``labels``: ``head/label`` to the measurement."""

    judge: Digest
    min_balanced_accuracy: Ratio
    labels: dict[str, LabelGate]

    def failure(self, head: str, label: str) -> str | None:
        """Why the judge may not be asked for a label; None: it may."""
        found = self.labels.get(f"{head}/{label}")
        if found is None:
            return "was never held to its gate"
        if found.value is None or found.low < self.min_balanced_accuracy:
            reached = "no held-out picture shows it" if found.value is None else f"balanced accuracy {found.value:.3f}"
            return f"fails its gate: {reached}, lower end {found.low:.3f} of the {self.min_balanced_accuracy:.2f} asked for"
        return None


def gate_path(judge: Path) -> Path:
    """Where a judge's gate lies: beside its folder, so that the folder's digest does not depend on it."""
    return judge.with_name(f"{judge.name}-gate.json")


def read_gate(judge: Path) -> JudgeGate | None:
    """The gate beside a judge's folder; None: there is none.

    Raises:
        CheckFailed: the file holds something else.
    """
    path = gate_path(judge)
    if not path.is_file():
        return None
    try:
        return JudgeGate.model_validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        raise CheckFailed("judge.bad-gate", str(path), "is no gate of a concept judge", "restore it, or make the judge again") from error


def gate_error(task: Task, judge: Path, digest: str) -> UnconcealError | None:
    """Why a task cannot be judged by the judge of this folder and digest; None: it can. Tasks with a detector need none."""
    if task.detector is not None:
        return None
    gate, value = read_gate(judge), f"{task.id}: the concept judge on {task.judge.label!r}"
    remedy = f"make it anew with `unconceal tasks judge {task.suite}`: more pictures, or other features (`judging.on`), are a new version"
    if gate is None or gate.judge != digest:
        consequence = "was never held to its gate" if gate is None else "was held to a gate, but that was another judge"
        return CheckFailed("judge.no-gate", value, f"{consequence}, so its answers may mean nothing", remedy)
    failure = gate.failure(task.judge.head, task.judge.label)
    return CheckFailed("judge.gate-failed", value, f"{failure}, so no verdict could rest on it", remedy) if failure else None
