"""The concept judge: which subject and which style an image shows, by a frozen head on frozen features.

Two families of labels, each with one answer per image. ``subject``: an object, a character or a person. ``style``: a style, or "none".
Both have "unreadable", for an image that shows nothing recognisable, so that damage is never counted as presence. In the miniature suite
subject has no "none": an image without a subject is unreadable.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from unconceal.errors import CheckFailed, UsageError
from unconceal.hub.pinned_models import pinned_digest
from unconceal.judges import clip, extractors
from unconceal.metrics.statistics import Interval, wilson
from unconceal.specs.judge_training import CLIP

UNREADABLE, NONE = "unreadable", "none"
HEAD_FILE, JUDGE_FILE = "head.safetensors", "judge.json"
IGNORE_INDEX = -100
"""Class of an image for which a family has no label; torch's cross entropy skips it."""
Backbone = extractors.Extractor | clip.Clip
"""A feature extractor of the judge."""


class JudgeHead(nn.Module):
    """Standardised features (n, d) through one hidden layer to logits per family."""

    def __init__(self, width: int, labels: Mapping[str, Sequence[str]], hidden: int = 256) -> None:
        super().__init__()
        self.labels = {family: tuple(names) for family, names in labels.items()}
        self.hidden = hidden
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.body = nn.Sequential(nn.Linear(width, hidden), nn.GELU())
        self.heads = nn.ModuleDict({family: nn.Linear(hidden, len(names)) for family, names in self.labels.items()})

    def forward(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
        body = self.body((features - self.get_buffer("mean")) / self.get_buffer("deviation"))
        return {family: head(body) for family, head in self.heads.items()}


class PresenceJudge(Protocol):
    """Judges whether images show a task's concept: the concept judge, or a published detector."""

    def shows(self, pixels: NDArray[np.uint8], head: str, label: str) -> NDArray[np.bool_]: ...

    def presence_scores(self, pixels: NDArray[np.uint8], head: str, label: str) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class ConceptJudge:
    """``head`` on the concatenated features of ``backbones``, in that order; ``digests``: SHA-256 of the weights of each, by name."""

    head: JudgeHead
    backbones: tuple[Backbone, ...]
    digests: Mapping[str, str]

    @classmethod
    def load(cls, folder: Path, weights: Mapping[str, Path], device: str = "cpu") -> ConceptJudge:
        """Load a saved judge.

        Args:
            folder: where :meth:`save` wrote it.
            weights: path of each extractor's weights by name, and of the ``clip`` folder; at least those that the judge uses.
            device: where it runs.

        Raises:
            CheckFailed: a file is missing or broken, or an extractor is not the one that the head was fitted on.
        """
        try:
            description = json.loads((folder / JUDGE_FILE).read_text())
            head = JudgeHead(description["width"], description["labels"], description["hidden"])
            head.load_state_dict(load_file(folder / HEAD_FILE))
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            reason = f"no concept judge can be read from it ({type(error).__name__})"
            raise CheckFailed("judge.unreadable", str(folder), reason, "restore the suite's judge") from error
        digests: dict[str, str] = description["extractors"]
        for name, digest in digests.items():
            if name not in weights or not weights[name].exists() or pinned_digest(weights[name]) != digest:
                reason = f"not the one that the concept judge {folder} was fitted on"
                raise CheckFailed("judge.wrong-extractor", f"extractor {name}", reason, "restore the weights that the suite pins")
        backbones = tuple(load_backbone(name, weights[name], device) for name in digests)
        return cls(head.eval().to(device), backbones, digests)

    def save(self, folder: Path) -> None:
        """Save head and description; the extractors are not copied."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({key: tensor.cpu().contiguous() for key, tensor in self.head.state_dict().items()}, folder / HEAD_FILE)
        width = len(self.head.get_buffer("mean"))
        description = {"labels": self.head.labels, "extractors": dict(self.digests), "width": width, "hidden": self.head.hidden}
        (folder / JUDGE_FILE).write_text(json.dumps(description, indent=2) + "\n")

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (n, d) of uint8 images (n, h, w, 3), the input of the head."""
        return judge_features(self.backbones, pixels)

    def labels(self, pixels: NDArray[np.uint8]) -> dict[str, list[str]]:
        """Label of each image (n, h, w, 3), uint8, per family."""
        return self.answers(self.features(pixels))

    @torch.inference_mode()
    def answers(self, features: NDArray[np.float32]) -> dict[str, list[str]]:
        """Label of each row of features (n, d), per family."""
        inputs = torch.from_numpy(features).to(self.head.get_buffer("mean").device)
        return {family: [self.head.labels[family][i] for i in logits.argmax(1).tolist()] for family, logits in self.head(inputs).items()}

    def shows(self, pixels: NDArray[np.uint8], head: str, label: str) -> NDArray[np.bool_]:
        """Whether each image (n, h, w, 3), uint8, shows ``label`` of family ``head``, (n,)."""
        self.check_label(head, label)
        return np.asarray([answer == label for answer in self.labels(pixels)[head]], bool)

    @torch.inference_mode()
    def presence_scores(self, pixels: NDArray[np.uint8], head: str, label: str) -> NDArray[np.float64]:
        """Probability of ``label`` of family ``head`` for each image (n, h, w, 3), uint8, (n,)."""
        self.check_label(head, label)
        inputs = torch.from_numpy(self.features(pixels)).to(self.head.get_buffer("mean").device)
        probabilities = self.head(inputs)[head].double().softmax(1)[:, self.head.labels[head].index(label)]
        return np.asarray(probabilities.cpu().numpy(), np.float64)

    def check_label(self, head: str, label: str) -> None:
        """Check that the judge has a label.

        Raises:
            UsageError: it has not.
        """
        available = self.head.labels.get(head, ())
        if label not in available:
            choices = ", ".join(available) or ", ".join(self.head.labels)
            raise UsageError("judge.unknown-label", f"{head} {label!r}", "the concept judge does not know it", f"choose one of {choices}")


def load_backbone(name: str, weights: Path, device: str = "cpu") -> Backbone:
    """An extractor, or the CLIP."""
    return clip.load(weights, device) if name == CLIP else extractors.load(name, weights).to(device)


def judge_features(backbones: Sequence[Backbone], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Concatenated features of all backbones, (n, d₁ + d₂ + …), each L2-normalised, of uint8 images (n, h, w, 3)."""
    return np.concatenate([_features(backbone, pixels) for backbone in backbones], axis=1)


def _features(backbone: Backbone, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    if isinstance(backbone, extractors.Extractor):
        return extractors.normalized_features(backbone, pixels)
    return extractors.l2_normalized(backbone.image_features(pixels).float().cpu().numpy())


Labels = Mapping[str, Sequence[str | None]]
"""Family to n labels; None: the family has no label for that image."""


def fit_head(
    features: NDArray[np.float32], labels: Labels, seed: int, epochs: int = 30, batch_size: int = 256, learning_rate: float = 2e-3
) -> JudgeHead:
    """Fit a head with AdamW, weight decay .05 and linearly decayed learning rate.

    Classes have equal weight, since the gate is balanced accuracy. Class order is alphabetical. Equal seed and threads give equal bytes.

    Args:
        features: (n, d) features (:func:`judge_features`).
        labels: family to n labels.
        seed: of the initial weights and the order.
        epochs: passes over the features.
        batch_size: rows per step, about.
        learning_rate: at the first epoch.

    Returns:
        The head in evaluation mode.
    """
    x = torch.from_numpy(np.ascontiguousarray(features, np.float32))
    classes = {family: sorted({name for name in names if name is not None}) for family, names in labels.items()}
    numbers = {family: {None: IGNORE_INDEX, **{name: i for i, name in enumerate(names)}} for family, names in classes.items()}
    truth = {family: torch.tensor([numbers[family][name] for name in names]) for family, names in labels.items()}
    weights = {family: _class_weights(rows, len(classes[family])) for family, rows in truth.items()}
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = JudgeHead(x.shape[1], classes)
    head.get_buffer("mean").copy_(x.mean(0))
    head.get_buffer("deviation").copy_(x.std(0).clamp_min(1e-6))
    optimizer = torch.optim.AdamW(head.parameters(), lr=learning_rate, weight_decay=0.05)
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - epoch / epochs)
        for rows in torch.randperm(len(x), generator=generator).tensor_split(-(-len(x) // batch_size)):
            logits = head(x[rows])
            labelled = [family for family in truth if (truth[family][rows] != IGNORE_INDEX).any()]
            losses = [functional.cross_entropy(logits[family], truth[family][rows], weights[family]) for family in labelled]
            optimizer.zero_grad(set_to_none=True)
            torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return head.eval()


def _class_weights(rows: torch.Tensor, classes: int) -> torch.Tensor:
    rows = rows[rows != IGNORE_INDEX]
    return len(rows) / (classes * torch.bincount(rows, minlength=classes).clamp_min(1))


class BalancedAccuracy(NamedTuple):
    """Mean of sensitivity and specificity, 0 to 1, with its 95 % interval and the number of images that show and do not show the label."""

    value: float
    interval: Interval
    positives: int
    negatives: int


def balanced_accuracy(truth: Sequence[str], answers: Sequence[str], label: str) -> BalancedAccuracy:
    """Balanced accuracy of one label against the rest.

    The interval combines the Wilson intervals of both rates by the square root of summed squares (MOVER).

    Args:
        truth: n labels.
        answers: n labels of the judge.
        label: the label.

    Returns:
        NaN with interval (0, 1) where the label or its absence does not occur.
    """
    is_label, answered = np.asarray(truth) == label, np.asarray(answers) == label
    positives, negatives = int(is_label.sum()), int((~is_label).sum())
    hits, rejections = int((is_label & answered).sum()), int((~is_label & ~answered).sum())
    if not positives or not negatives:
        return BalancedAccuracy(float("nan"), Interval(0.0, 1.0), positives, negatives)
    rates = (hits / positives, rejections / negatives)
    intervals = (wilson(hits, positives), wilson(rejections, negatives))
    value = sum(rates) / 2
    below = hypot(*(rate - interval.low for rate, interval in zip(rates, intervals, strict=True))) / 2
    above = hypot(*(interval.high - rate for rate, interval in zip(rates, intervals, strict=True))) / 2
    return BalancedAccuracy(value, Interval(max(0.0, value - below), min(1.0, value + above)), positives, negatives)


def gate_accuracies(
    judge: ConceptJudge, pixels: NDArray[np.uint8], truth_subject: Sequence[str], truth_style: Sequence[str]
) -> dict[str, BalancedAccuracy]:
    """:func:`gated` of uint8 images (n, h, w, 3)."""
    return balanced_accuracies(judge.labels(pixels), {"subject": truth_subject, "style": truth_style})


def balanced_accuracies(answers: Mapping[str, Sequence[str]], truth: Labels) -> dict[str, BalancedAccuracy]:
    """Balanced accuracy of every label among held-out images, over the images for which its family has a label.

    A task passes when the lower end of its label's interval is at least .9.

    Args:
        answers: family to n labels of the judge.
        truth: family to n labels.

    Returns:
        By ``family/label``.
    """
    accuracies: dict[str, BalancedAccuracy] = {}
    for family, names in truth.items():
        pairs = [(name, answer) for name, answer in zip(names, answers.get(family, ()), strict=family in answers) if name is not None]
        true_labels, given = [name for name, _ in pairs], [answer for _, answer in pairs]
        accuracies |= {f"{family}/{label}": balanced_accuracy(true_labels, given, label) for label in sorted(set(true_labels))}
    return accuracies
