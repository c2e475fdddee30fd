"""What may be other than usual when a member is measured: sampler, judge, classifier, protocol, or the making of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from unconceal.specs.paper_protocol import PaperProtocol, ProtocolName
from unconceal.specs.suite import Suite

EXTRACTORS = ("resnet18",)
"""The study's: the only one that all its rows are compared by."""
RELEASED = PaperProtocol(steps=50, pictures=48, prompts=4, retain_prompts=1)
"""Protocol ``paper`` at a size that many models can be measured at."""


@dataclass(frozen=True)
class Setting:
    """One way of measuring. ``sampler``: its changed fields; ``judge``: a concept judge of another training, by its number; ``classifier``:
    another seed of the fine-tuned classifier; ``stage``: what of a member is measured anew. Zeros are the suite's own.
    """

    sampler: Mapping[str, float] = field(default_factory=dict)
    judge: int = 0
    classifier: int = 0
    protocol: ProtocolName = "standard"
    stage: str = "presence"

    def suite(self, published: Suite) -> Suite:
        """The published suite at the full tier with the study's extractor, and what is other here."""
        full = published.tiers["full"].model_copy(update={"extractors": EXTRACTORS})
        sampler = published.sampler.model_copy(update=dict(self.sampler))
        fine_tune = published.fine_tune.model_copy(update={"seed": self.classifier or None})
        return published.model_copy(update={"tiers": {"full": full}, "sampler": sampler, "fine_tune": fine_tune, "paper": RELEASED})


USUAL, BUILT_AGAIN = "", "built again"
SETTINGS: Mapping[str, Setting] = {
    USUAL: Setting(),
    "15 steps": Setting({"steps": 15}),
    "50 steps": Setting({"steps": 50}),
    "guidance 3": Setting({"guidance": 3.0}),
    "guidance 15": Setting({"guidance": 15.0}),
    "judge 2": Setting(judge=2),
    "judge 3": Setting(judge=3),
    "classifier 2": Setting(classifier=2, stage="scores"),
    "classifier 3": Setting(classifier=3, stage="scores"),
    "as released": Setting(protocol="paper", stage="scores"),
    BUILT_AGAIN: Setting(),
}
"""By what is other; under none of them relearning changes. Built again: weights made a second time, measured as usual."""
READ = tuple(name for name, setting in SETTINGS.items() if setting.stage == "presence" and name != BUILT_AGAIN)
"""Settings that have golds of their own to read verdicts against."""
