"""Settings that a member can be measured under besides the suite's own: sampler, judge, classifier, protocol, rebuilt weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from unconceal.specs.paper_protocol import PaperProtocol, ProtocolName
from unconceal.specs.suite import Suite

EXTRACTORS = ("resnet18",)
"""The only extractor that all rows of the study have."""
RELEASED = PaperProtocol(num_inference_steps=50, n_images=48, n_prompts=4, n_retain_prompts=1)
"""Protocol ``paper`` at a size that many models can be measured at."""


@dataclass(frozen=True)
class Setting:
    """Differences from the suite; zeros are the suite's own.

    Attributes:
        sampler: Changed fields of the sampler.
        judge: Number of a concept judge from another training.
        classifier: Another seed of the fine-tuned classifier.
        protocol: Evaluation protocol.
        stage: The stage that is measured under the setting.
    """

    sampler: Mapping[str, float] = field(default_factory=dict)
    judge: int = 0
    classifier: int = 0
    protocol: ProtocolName = "standard"
    stage: str = "presence"

    def apply(self, suite: Suite) -> Suite:
        """The suite at the full tier with the study's extractor and the setting's differences."""
        full = suite.tiers["full"].model_copy(update={"extractors": EXTRACTORS})
        sampler = suite.sampler.model_copy(update=dict(self.sampler))
        fine_tune = suite.fine_tune.model_copy(update={"seed": self.classifier or None})
        return suite.model_copy(update={"tiers": {"full": full}, "sampler": sampler, "fine_tune": fine_tune, "paper": RELEASED})


USUAL, REBUILT = "", "built again"
SETTINGS: Mapping[str, Setting] = {
    USUAL: Setting(),
    "15 steps": Setting({"num_inference_steps": 15}),
    "50 steps": Setting({"num_inference_steps": 50}),
    "guidance 3": Setting({"guidance_scale": 3.0}),
    "guidance 15": Setting({"guidance_scale": 15.0}),
    "judge 2": Setting(judge=2),
    "judge 3": Setting(judge=3),
    "classifier 2": Setting(classifier=2, stage="scores"),
    "classifier 3": Setting(classifier=3, stage="scores"),
    "as released": Setting(protocol="paper", stage="scores"),
    REBUILT: Setting(),
}
"""By name. ``REBUILT``: weights trained a second time, measured under the suite's own settings."""
SETTINGS_WITH_GOLDS = tuple(name for name, setting in SETTINGS.items() if setting.stage == "presence" and name != REBUILT)
"""Settings under which golds are measured, too, so that verdicts can be computed."""
