"""The concept judge: which subject and which style a picture shows, by a frozen head on frozen features.

Two families, each with one answer per picture. ``subject``: an object, a character or a person. ``style``: a style, or "none" where a
picture has none of those known. Both know "unreadable": a picture that shows nothing recognisable, so that damage is never counted as
presence. In the miniature suite subject has no "none": a picture without a subject shows nothing and is unreadable.
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
"""Class of a picture of which a family says nothing."""
Backbone = extractors.Extractor | clip.Clip
"""What a head stands on."""


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
    """Who says whether pictures show a task's concept: the concept judge, or a published detector."""

    def shows(self, pixels: NDArray[np.uint8], head: str, label: str) -> NDArray[np.bool_]: ...


@dataclass(frozen=True)
class ConceptJudge:
    """``head`` on the concatenated features of ``parts``, in that order; ``digests``: SHA-256 of the weights of each, by its name."""

    head: JudgeHead
    backbones: tuple[Backbone, ...]
    digests: Mapping[str, str]

    @classmethod
    def load(cls, folder: Path, weights: Mapping[str, Path], device: str = "cpu") -> ConceptJudge:
        """Read a saved judge; ``weights``: extractor to its file, ``clip`` to its folder, at least those the judge stands on.

        Raises:
            CheckFailed: a file is missing or broken, or an extractor is not the one that the head was fitted on.
        """
        try:
            described = json.loads((folder / JUDGE_FILE).read_text())
            head = JudgeHead(described["width"], described["labels"], described["hidden"])
            head.load_state_dict(load_file(folder / HEAD_FILE))
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            reason = f"no concept judge can be read from it ({type(error).__name__})"
            raise CheckFailed("judge.unreadable", str(folder), reason, "restore the suite's judge") from error
        digests: dict[str, str] = described["extractors"]
        for name, digest in digests.items():
            if name not in weights or not weights[name].exists() or pinned_digest(weights[name]) != digest:
                reason = f"not the one that the concept judge {folder} stands on"
                raise CheckFailed("judge.wrong-extractor", f"extractor {name}", reason, "restore the weights that the suite pins")
        parts = tuple(load_backbone(name, weights[name], device) for name in digests)
        return cls(head.eval().to(device), parts, digests)

    def save(self, folder: Path) -> None:
        """Write head and description; the extractors stay where they are."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({key: tensor.cpu().contiguous() for key, tensor in self.head.state_dict().items()}, folder / HEAD_FILE)
        width = len(self.head.get_buffer("mean"))
        described = {"labels": self.head.labels, "extractors": dict(self.digests), "width": width, "hidden": self.head.hidden}
        (folder / JUDGE_FILE).write_text(json.dumps(described, indent=2) + "\n")

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the head sees of uint8 pictures (n, h, w, 3): (n, d)."""
        return judge_features(self.backbones, pixels)

    def labels(self, pixels: NDArray[np.uint8]) -> dict[str, list[str]]:
        """The answer for each picture, per family."""
        return self.answers(self.features(pixels))

    @torch.inference_mode()
    def answers(self, features: NDArray[np.float32]) -> dict[str, list[str]]:
        """The answer for each row of features (n, d), per family."""
        seen = torch.from_numpy(features).to(self.head.get_buffer("mean").device)
        return {family: [self.head.labels[family][i] for i in logits.argmax(1).tolist()] for family, logits in self.head(seen).items()}

    def shows(self, pixels: NDArray[np.uint8], head: str, label: str) -> NDArray[np.bool_]:
        """Whether each picture shows ``label`` of family ``head``, (n,)."""
        self.check_label(head, label)
        return np.asarray([said == label for said in self.labels(pixels)[head]], bool)

    def check_label(self, head: str, label: str) -> None:
        """Refuse a label that this judge does not know."""
        known = self.head.labels.get(head, ())
        if label not in known:
            choices = ", ".join(known) or ", ".join(self.head.labels)
            raise UsageError("judge.unknown-label", f"{head} {label!r}", "the concept judge does not know it", f"choose one of {choices}")


def load_backbone(name: str, weights: Path, device: str = "cpu") -> Backbone:
    """An extractor, or the CLIP."""
    return clip.load(weights, device) if name == CLIP else extractors.load(name, weights).to(device)


def judge_features(backbones: Sequence[Backbone], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """φ of every part side by side, (n, d₁ + d₂ + …), each L2-normalised."""
    return np.concatenate([_features(part, pixels) for part in backbones], axis=1)


def _features(part: Backbone, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    if isinstance(part, extractors.Extractor):
        return extractors.normalized_features(part, pixels)
    return extractors.l2_normalized(part.image_features(pixels).float().cpu().numpy())


Labels = Mapping[str, Sequence[str | None]]
"""Family to n names; None: the family is not asked about that picture."""


def fit_head(features: NDArray[np.float32], labels: Labels, seed: int, epochs: int = 30, batch_size: int = 256, learning_rate: float = 2e-3) -> JudgeHead:
    """A head fitted on features (n, d) and their names. Classes weigh alike, since its gate is balanced accuracy.

    Class order is alphabetical; equal seed and threads give equal bytes. AdamW, weight decay .05, rate decayed linearly.
    """
    x = torch.from_numpy(np.ascontiguousarray(features, np.float32))
    classes = {family: sorted({name for name in names if name is not None}) for family, names in labels.items()}
    numbers = {family: {None: IGNORE_INDEX, **{name: i for i, name in enumerate(names)}} for family, names in classes.items()}
    truth = {family: torch.tensor([numbers[family][name] for name in names]) for family, names in labels.items()}
    weights = {family: _class_weights(rows, len(classes[family])) for family, rows in truth.items()}
    draws = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = JudgeHead(x.shape[1], classes)
    head.get_buffer("mean").copy_(x.mean(0))
    head.get_buffer("deviation").copy_(x.std(0).clamp_min(1e-6))
    optimiser = torch.optim.AdamW(head.parameters(), lr=learning_rate, weight_decay=0.05)
    for epoch in range(epochs):
        optimiser.param_groups[0]["lr"] = learning_rate * (1 - epoch / epochs)
        for rows in torch.randperm(len(x), generator=draws).tensor_split(-(-len(x) // batch_size)):
            logits = head(x[rows])
            asked = [family for family in truth if (truth[family][rows] != IGNORE_INDEX).any()]
            losses = [functional.cross_entropy(logits[family], truth[family][rows], weights[family]) for family in asked]
            optimiser.zero_grad(set_to_none=True)
            torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return head.eval()


def _class_weights(rows: torch.Tensor, classes: int) -> torch.Tensor:
    rows = rows[rows != IGNORE_INDEX]
    return len(rows) / (classes * torch.bincount(rows, minlength=classes).clamp_min(1))


class BalancedAccuracy(NamedTuple):
    """Mean of sensitivity and specificity, 0 to 1, with its 95 % interval and how many pictures do and don't show the label."""

    value: float
    interval: Interval
    positives: int
    negatives: int


def balanced_accuracy(truth: Sequence[str], answers: Sequence[str], label: str) -> BalancedAccuracy:
    """Of one label against the rest. Both rates' Wilson intervals, joined by the square root of summed squares (MOVER)."""
    is_it, says = np.asarray(truth) == label, np.asarray(answers) == label
    positives, negatives = int(is_it.sum()), int((~is_it).sum())
    hits, rejections = int((is_it & says).sum()), int((~is_it & ~says).sum())
    if not positives or not negatives:
        return BalancedAccuracy(float("nan"), Interval(0.0, 1.0), positives, negatives)
    rates = (hits / positives, rejections / negatives)
    ends = (wilson(hits, positives), wilson(rejections, negatives))
    value = sum(rates) / 2
    below = hypot(*(rate - end.low for rate, end in zip(rates, ends, strict=True))) / 2
    above = hypot(*(end.high - rate for rate, end in zip(rates, ends, strict=True))) / 2
    return BalancedAccuracy(value, Interval(max(0.0, value - below), min(1.0, value + above)), positives, negatives)


def gate_accuracies(
    judge: ConceptJudge, pixels: NDArray[np.uint8], truth_subject: Sequence[str], truth_style: Sequence[str]
) -> dict[str, BalancedAccuracy]:
    """:func:`gated` on pictures (n, h, w, 3)."""
    return balanced_accuracies(judge.labels(pixels), {"subject": truth_subject, "style": truth_style})


def balanced_accuracies(answers: Mapping[str, Sequence[str]], truth: Labels) -> dict[str, BalancedAccuracy]:
    """Balanced accuracy of every label that occurs among held-out pictures, keyed ``family/label``, over those its family is asked about.

    A task passes when the lower end of its label is at least .9.
    """
    found: dict[str, BalancedAccuracy] = {}
    for family, names in truth.items():
        asked = [(name, answer) for name, answer in zip(names, answers.get(family, ()), strict=family in answers) if name is not None]
        right, answers = [name for name, _ in asked], [answer for _, answer in asked]
        found |= {f"{family}/{label}": balanced_accuracy(right, answers, label) for label in sorted(set(right))}
    return found
