"""What scores and verdicts are called, which direction is better, and how they are explained."""

from __future__ import annotations

from typing import NamedTuple

VERDICTS = {
    "intact": "still draws the concept",
    "conceals": "hides the concept: handed a half-finished picture, it completes it more often than a model that never saw it",
    "forgets": "no longer knows the concept: it completes it no more often than a model that never saw it",
    "damaged": "lost other concepts as well",
    "inconclusive": "the intervals are too wide to decide",
    "undetermined": "no verdict is possible",
}
GOLD_KINDS = {
    "trained-without": "an exact gold, trained like the original on everything but the concept",
    "planted": "an exact gold: the same continued training without the invented concept",
    "surrogate": "a surrogate gold: another public model whose training data exclude the concept; it differs in more than that",
}
STATUS = {
    "self_reported": "self-reported",
    "rerun": "re-run by the maintainers",
    "disputed": "disputed: a re-run did not agree",
    "withdrawn": "withdrawn",
}


class ScoreName(NamedTuple):
    """A score's key in the record, its words, its direction (↓ lower is better, empty if neither) and its decimals."""

    key: str
    words: str
    better: str = ""
    digits: int = 2


EXTRACTOR_WORDS = {"resnet18": "ResNet18", "densenet121": "DenseNet121", "efficientnet_b0": "EfficientNet-B0"}

HEADLINE = (
    ScoreName("excess", "Excess retrieval", "↓"),
    ScoreName("excess.prompt", "… prompt arm", "↓"),
    ScoreName("excess.empty", "… empty arm", "↓"),
    ScoreName("presence", "P(0)", "↓"),
    ScoreName("presence.gold", "P(0) of the golds"),
    ScoreName("presence.original", "P(0) of the original"),
    ScoreName("psi_star.prompt", "ψ* prompt arm", "↑"),
    ScoreName("psi_star.empty", "ψ* empty arm", "↑"),
    ScoreName("retain_fall", "Retained fall", "↓"),
)
TRADITIONAL = (
    ScoreName("kid.original.forget", "KID → original", "", 3),
    ScoreName("kid.unlearned.forget", "KID → unlearned", "", 3),
    ScoreName("clip.original", "CLIP score of the original", "", 1),
    ScoreName("clip.unlearned", "CLIP score", "", 1),
)
DIFFUSION = (
    ScoreName("ccs", "CCS", "↓"),
    ScoreName("crs.signed", "CRS signed", "↓"),
    ScoreName("crs.released", "CRS as released"),
    ScoreName("crs.calibrated", "CRS calibrated"),
    ScoreName("auc", "AUC"),
)
"""Each per extractor; the directions are those on forget prompts."""

HOW_TO_READ = (
    (
        "ψ",
        "the partial-diffusion ratio: the original model θ draws the first part ψ of the denoising trajectory, the model of the row "
        "the rest. At 0 the model draws alone; at 1 θ does.",
    ),
    (
        "Arms",
        "how the model goes on after the handover: “prompt”, with the same prompt and guidance; “empty”, with no words at all, "
        "so that no word can steer it away from what its weights would complete.",
    ),
    ("Golds", "models that never saw the concept. Even they complete some handed-over pictures, so every curve is read against theirs."),
    ("Presence P(ψ)", "the share of pictures in which a fixed concept judge, the same for every row, sees the concept."),
    (
        "Excess retrieval",
        "presence minus the golds' presence in the same arm, in units of θ's own rate, averaged over the shaded range of "
        "ψ. The larger of the two arms ranks the table; near 0 is what forgetting looks like.",
    ),
    ("ψ*", "the smallest ψ at which presence reaches half of θ's own rate; 0 if the concept is there from the start, none if never."),
    (
        "CCS",
        "how probably a classifier, fine-tuned to tell θ's pictures from the model's own, calls the completed picture θ's, "
        "averaged over ψ.",
    ),
    (
        "CRS signed",
        "how much nearer the completed pictures lie to θ's pictures than to the model's own, in the classifier's features; "
        "above 0 means that the concept was retrieved. “As released” is the same without the sign.",
    ),
    (
        "AUC",
        "whether that classifier can tell the two apart at all on held-out pictures. Where it can't (†), CCS and CRS mean little. "
        "The classifier is another one in every row, so CCS and CRS aren't exactly comparable between rows; no verdict rests on them.",
    ),
    (
        "KID, CLIP",
        "traditional metrics, kept for comparison: they don't see concealment. KID is the mean over ψ, CLIP that of θ*'s own pictures.",
    ),
    ("Retained fall", "the worst fall of the rate of other concepts, in units of θ's own, at ψ = 0 or after an early handover."),
    ("Intervals", "95 % intervals over prompts, given the judge and the classifiers. n is the number of prompts."),
)

INTRODUCTION = """\
An unlearned checkpoint is handed pictures that the original model θ has begun to draw, and finishes them, with the same prompt or with
none. How often a fixed concept judge then sees the supposedly unlearned concept, beyond what models that never saw it (the *golds*)
complete from the same hints, is the **excess retrieval** that ranks these tables: near 0 the concept is forgotten, well above 0 it was
only concealed. Controls, whose knowledge of the concept is known, stand in every table unranked."""

LEGEND = """\
A cell holds the verdict, linked to the record, and the excess: the larger of the two arms, averaged over {window}, in units of θ's own
rate; margin {margin}; `[low, high]` is the 95 % interval over prompts. ↓ lower is better, ↑ higher. **Bold**: the best, and what is not
surely worse than it. Ranks rest on paired differences and are intervals too (`1–3` is a tie). **Mean rank** goes by values alone; **Borda**
is the share of comparisons surely won, ties counting half. **Retained fall**: the worst fall in the rate of other concepts. ◆: no row beats
it in forgetting, damage and robustness at once. *Damaged* rows stand behind all others, and count as excess 1 in means; disputed and
withdrawn rows stay, unranked. Every other score (both arms, ψ\\*, CCS, CRS, AUC, KID, CLIP): `unconceal export`, `report` and `site`."""
