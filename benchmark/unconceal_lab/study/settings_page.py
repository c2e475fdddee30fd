"""Sections of the validation page on measurements under other settings than the suite's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from unconceal.specs.suite import Scoring
from unconceal_lab.study.findings import METRICS, score, separation
from unconceal_lab.study.page_tables import COUNT_HEADERS, MODEL_SCORES, NOT_YET, by_kind, count_cells, grid, model_scores, number
from unconceal_lab.study.rebuild_check import rebuild_pairs, verdict_changes
from unconceal_lab.study.seed_spread import classifier_seed_spread, extractor_agreement, rank_differences
from unconceal_lab.study.settings import RELEASED, SETTINGS, SETTINGS_WITH_GOLDS, USUAL
from unconceal_lab.study.study_rows import Row, by_task

EXTRACTORS = ("resnet18", "densenet121", "efficientnet_b0")
CLASSIFIER_SCORES: Mapping[str, str] = {
    "CRS, as released": "crs.released.forget",
    "CRS, signed": "crs.signed.forget",
    "CRS, calibrated": "crs.calibrated.forget",
    "CCS": "ccs.forget",
}
"""Scores of a fine-tuned classifier, without the extractor's name."""


def other_settings(rows: Sequence[Row], scoring: Scoring) -> str:
    """Verdicts under other steps, guidance and judges, and mean excess beside that under the suite's settings."""
    text = "## Other samplers, other judges\n\n"
    lines = []
    for name in SETTINGS_WITH_GOLDS:
        setting_rows = [row for row in rows if row.setting == name != USUAL]
        keys = {(row.task, row.name) for row in setting_rows}
        usual = [row for row in rows if row.setting == USUAL and (row.task, row.name) in keys]
        if setting_rows:
            changes = (before_and_after(mean_excess(usual, kind), mean_excess(setting_rows, kind)) for kind in ("gold", "decoupled"))
            lines.append([name, ", ".join(by_task(setting_rows)), *count_cells(by_kind(setting_rows, scoring)), *changes])
    if not lines:
        return text + NOT_YET
    return text + OTHER_SETTINGS + grid(lines, ("setting", "tasks", *COUNT_HEADERS, "mean excess, golds", "concealers"))


OTHER_SETTINGS = """\
Mean excess: of the same models under the suite's own sampler and judge → under the setting. Judges 2 and 3 were trained like the suite's
with other seeds, on other images of θ.

"""


def mean_excess(rows: Sequence[Row], kind: str) -> str:
    """Mean excess, larger arm, of the rows of a kind."""
    values = [value for row in rows if row.kind == kind and (value := row.scores.get("excess")) is not None]
    return number(float(np.mean(values)) if values else None)


def classifier_seeds(rows: Sequence[Row], scoring: Scoring) -> str:
    """Standard deviation of a fine-tuned classifier's scores over its seeds."""
    settings = (USUAL, *(name for name, setting in SETTINGS.items() if setting.classifier))
    spreads = {
        name: spread
        for name, stem in CLASSIFIER_SCORES.items()
        if (spread := classifier_seed_spread(rows, f"{stem}.{EXTRACTORS[0]}", settings))
    }
    title = "## The classifier's seed\n\n"
    if not spreads:
        return title + NOT_YET
    intro = (
        "Standard deviation of a score over three trainings of the classifier on the same images (order, triplets and initial head\n"
        "differ), mean over models, beside its standard deviation over models, mean over tasks.\n\n"
    )
    lines = [
        [name, f"{spread.seeds:.3f}", f"{spread.models:.3f}", f"{spread.seeds / spread.models:.0%}", str(spread.n)]
        for name, spread in spreads.items()
    ]
    return title + intro + grid(lines, ("score", "over seeds", "over models", "share", "models"))


def extractors(rows: Sequence[Row], scoring: Scoring) -> str:
    """Rank agreement of the three extractors, and how well each separates concealers from golds."""
    title, usual = "## The extractor\n\n", [row for row in rows if row.setting == USUAL and f"ccs.forget.{EXTRACTORS[-1]}" in row.scores]
    golds, concealers = (sum(row.kind == kind for row in usual) for kind in ("gold", "decoupled"))
    lines = []
    for name, stem in CLASSIFIER_SCORES.items():
        rhos = [agreement.rho for agreement in extractor_agreement(usual, stem, EXTRACTORS)]
        areas = [separation(usual, score(f"{stem}.{extractor}")) for extractor in EXTRACTORS]
        if rhos:
            lines.append([name, f"{min(rhos):.2f} to {max(rhos):.2f}", *(number(area.area if area else None) for area in areas)])
    if not lines:
        return title + NOT_YET
    tasks = ", ".join(sorted({row.task for row in usual}))
    intro = (
        "Spearman's ρ between two extractors (mean over tasks; lowest and highest of three pairs), and each one's area under the\n"
        f"curve of pure concealers ({concealers}) against golds ({golds}). {len(usual)} models of {tasks}.\n\n"
    )
    return title + intro + grid(lines, ("score", "ρ between extractors", *EXTRACTORS))


def released_protocol(rows: Sequence[Row], scoring: Scoring) -> str:
    """Ranks of the same models under the released protocol and under ``standard``."""
    title, setting = "## The released protocol against `standard`\n\n", next(n for n, s in SETTINGS.items() if s.protocol == "paper")
    standard = {name: METRICS[name] for name in ("excess (larger arm)", "CRS, as released", "CCS")}
    released = {"CRS": METRICS["CRS, as released"], "CCS": METRICS["CCS"]}
    lines = [
        [f"{released_name}, released protocol", name, item.task, str(item.n), f"{item.rho:.2f}", f"{item.mean:.1f}", f"{item.largest:.1f}"]
        for released_name, released_metric in released.items()
        for name, metric in standard.items()
        for item in rank_differences(rows, released_metric, metric, (setting, USUAL))
    ]
    if not lines:
        return title + NOT_YET
    intro = (
        f"[Protocol `paper`](../concepts/paper-protocol.md) with {RELEASED.n_prompts} forget prompts, {RELEASED.n_images} images per\n"
        f"prompt and {RELEASED.num_inference_steps} steps (released: all prompts, 200 and 100), one image per ψ.\n"
        "Rank difference: mean and largest difference of a model's ranks by two scores.\n\n"
    )
    headers = ("released protocol", "standard", "task", "models", "ρ", "rank difference, mean", "largest")
    return title + intro + grid(lines, headers)


def rebuilt(rows: Sequence[Row], scoring: Scoring) -> str:
    """Whether rebuilt weights get the same verdict, and whether rebuilt golds change the verdicts of others."""
    title, pairs = "## Rebuilt weights\n\n", rebuild_pairs(rows)
    if not pairs:
        return title + NOT_YET
    lines = [
        [
            first.task,
            first.name,
            "same" if first.weights == second.weights else "other",
            *map(before_and_after, [*model_scores(first), first.label], [*model_scores(second), second.label]),
        ]
        for first, second in pairs
    ]
    text = title + REBUILT_WEIGHTS + grid(lines, ("task", "model", "bytes", *MODEL_SCORES, "verdict"))
    changes = [
        [item.task, str(item.golds), str(item.n), str(item.same), str(item.undecided), str(item.contradicting)]
        for item in verdict_changes(rows, scoring)
    ]
    if changes:
        headers = ("task", "golds replaced", "models", "same verdict", "undecided in one", "contradicting")
        text += "\n" + REPLACED_GOLDS + grid(changes, headers)
    return text


REBUILT_WEIGHTS = """\
Weights that are not stored with the source, built a second time by the same recipe. First build → second build, both compared with the
first golds; *bytes*: whether the weights are identical.

"""
REPLACED_GOLDS = """\
Verdicts of all models of a task against its first golds, and against the rebuilt golds. *Undecided in one*: inconclusive in one of the
comparisons; *contradicting*: two different decisions.

"""


def before_and_after(first: str, second: str) -> str:
    return f"{first} → {second}"


SECTIONS: tuple[Callable[[Sequence[Row], Scoring], str], ...] = (
    other_settings,
    classifier_seeds,
    extractors,
    released_protocol,
    rebuilt,
)
