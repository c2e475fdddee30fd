"""Labels and explanations of scores and verdicts, and the texts of LEADERBOARD.md."""

from __future__ import annotations

from typing import NamedTuple

VERDICTS = {
    "intact": "the model still generates the concept",
    "conceals": "the concept is hidden: a probe brings it back more often than from a model that never saw it",
    "forgets": "no probe brings the concept back, and the model learns it again no faster than a model that never saw it",
    "not retrieved": "no probe brings the concept back; relearning was not measured, or the weights are the original's",
    "damaged": "the model lost other concepts as well",
    "inconclusive": "the confidence intervals are too wide to decide",
    "undetermined": "no verdict is possible",
}
GOLD_KINDS = {
    "trained-without": "an exact gold: a model trained like the original on everything but the concept",
    "planted": "an exact gold: the same continued training without the invented concept",
    "surrogate": "a surrogate gold: another public model whose training data exclude the concept; it also differs in other ways",
}
STATUS = {
    "self_reported": "self-reported",
    "rerun": "re-run by the maintainers",
    "disputed": "disputed: a re-run did not agree",
    "withdrawn": "withdrawn",
}
VERIFICATION_MARKS = {"self_reported": "", "rerun": "re-run", "disputed": "**disputed**", "withdrawn": "withdrawn"}
"""In tables, where self-reported rows are not marked."""


INFERENCE_TIME = "inference-time"
"""Mark of a method that changes the sampling and no weights."""
INFERENCE_TIME_MEANING = (
    "the method changes how the original model samples, and none of its weights. Whoever has the weights has the concept, so such a row "
    "is never labelled *forgets*."
)


class ScoreName(NamedTuple):
    """A score's key in the record, its label, its direction (↓ lower is better, empty if neither) and its decimals."""

    key: str
    label: str
    direction: str = ""
    decimals: int = 2


EXTRACTORS = {"resnet18": "ResNet18", "densenet121": "DenseNet121", "efficientnet_b0": "EfficientNet-B0"}

HEADLINE = (
    ScoreName("excess", "Excess retrieval", "↓"),
    ScoreName("excess.prompt", "… prompt arm", "↓"),
    ScoreName("excess.empty", "… empty arm", "↓"),
    ScoreName("excess.relearning", "… relearning", "↓"),
    ScoreName("excess.renoising", "… renoising", "↓"),
    ScoreName("presence", "P(0)", "↓"),
    ScoreName("presence.gold", "P(0) of the golds"),
    ScoreName("presence.original", "P(0) of the original"),
    ScoreName("psi_star.prompt", "ψ* prompt arm", "↑"),
    ScoreName("psi_star.empty", "ψ* empty arm", "↑"),
    ScoreName("retain_drop", "Retained drop", "↓"),
)
TRADITIONAL = (
    ScoreName("kid.original.forget", "KID → original", "", 3),
    ScoreName("kid.unlearned.forget", "KID → unlearned", "", 3),
    ScoreName("clip.original", "CLIP score of the original", "", 1),
    ScoreName("clip.unlearned", "CLIP score", "", 1),
)
EXTRACTOR_SCORES = (
    ScoreName("ccs", "CCS", "↓"),
    ScoreName("crs.signed", "CRS signed", "↓"),
    ScoreName("crs.released", "CRS as released"),
    ScoreName("crs.calibrated", "CRS calibrated"),
    ScoreName("auc", "AUC"),
)
"""Each per extractor; the directions are those on forget prompts."""


def directed_score(name: str) -> ScoreName | None:
    """Label and direction of a score by its key in records; None for scores without a direction."""
    for label in HEADLINE:
        if label.key == name and label.direction:
            return label
    for label in EXTRACTOR_SCORES:
        if label.direction and name.startswith(f"{label.key}.forget."):
            return label._replace(key=name, label=f"{label.label} ({name.rpartition('.')[2]})")
    return ScoreName(name, f"Excess, {name.partition('.')[2]}", "↓") if name.startswith("excess.") else None


HOW_TO_READ = (
    (
        "ψ",
        "the partial-diffusion ratio: the original model θ runs the first part ψ of the denoising trajectory, the submission "
        "the rest. At ψ = 0 the submission runs alone, at ψ = 1 θ does.",
    ),
    (
        "Arms",
        "how the submission continues after the handover. “Prompt”: with the same prompt and guidance. “Empty”: unconditionally, "
        "with θ's own embedding of the empty prompt, so that no word can steer it away from what its weights would complete.",
    ),
    (
        "Golds",
        "reference models that never saw the concept. Even they complete some half-denoised images, so every curve is compared "
        "with theirs.",
    ),
    ("Presence P(ψ)", "the share of images in which a concept judge detects the concept. The judge is the same for every row."),
    (
        "Excess retrieval",
        "presence minus the golds' presence in the same arm, relative to θ's own rate, averaged over the shaded range of ψ. "
        "Under other probes it is the rate under that probe beyond the golds'. The largest ranks the tables. It is near 0 for a model that "
        "forgets.",
    ),
    (
        "Relearning",
        "the submission is trained for a few steps on images of θ that show the concept, captioned with a nonce word. A model that still "
        "knows the concept lacks only a word for it, and learns it much faster than a gold.",
    ),
    (
        "ψ*",
        "the smallest ψ at which presence reaches half of θ's own rate: 0 if the concept is present without a handover, none if "
        "presence never reaches it.",
    ),
    (
        "CCS",
        "the probability, averaged over ψ, that a classifier assigns the completed image to θ. The classifier is fine-tuned to tell "
        "θ's images from the submission's.",
    ),
    (
        "CRS signed",
        "how much nearer the completed images are to θ's images than to the submission's, in the classifier's features. "
        "Above 0 the concept was retrieved. “As released” is the same without the sign.",
    ),
    (
        "AUC",
        "how well that classifier separates the two on held-out images. Where it cannot (†), CCS and CRS mean little. "
        "Each row has its own classifier, so CCS and CRS are not exactly comparable between rows; no verdict depends on them.",
    ),
    (
        "KID, CLIP",
        "traditional metrics, for comparison; they do not detect concealment. KID is the mean over ψ, CLIP that of the "
        "submission's own images.",
    ),
    ("Retained drop", "the largest drop of another concept's rate, relative to θ's own, at ψ = 0 or after an early handover."),
    ("Intervals", "95 % confidence intervals over prompts, given the judge and the classifiers. n is the number of prompts."),
)

INTRODUCTION = """\
The original model θ starts each image, and the unlearned checkpoint finishes it, with the same prompt or unconditionally. A fixed concept
judge counts how often the supposedly unlearned concept appears. **Excess retrieval** is this rate beyond that of models that never saw the
concept (*golds*): near 0 the concept is forgotten, well above 0 it is only concealed. A row is one method on one task."""

LEGEND = """\
A cell holds the verdict and the excess: the largest over all probes, relative to θ's own rate. In both arms of the handover it is averaged
over {window}. The margin is {margin}; `[low, high]` is the 95 % confidence interval over prompts. ↓ lower is better, ↑ higher is better.
**Bold**: best, or not significantly worse. **Rank**: an interval from paired differences; `1–3` is a tie. **Mean rank**: by value alone.
**Borda**: share of comparisons won significantly. **Retained drop**: the largest drop in the rate of another concept. **◆**: no other
row is at least as good in forgetting, damage and robustness and significantly better in one. *Damaged* and *intact* rows are neither
ranked nor bold, and count as excess 1 in means. Disputed and withdrawn rows stay, unranked and uncounted."""
