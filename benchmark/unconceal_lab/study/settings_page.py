"""Sections of the study's page on what changes when something else than the suite's own measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from unconceal.specs.suite import Scoring
from unconceal_lab.study.findings import METRICS, score, separation
from unconceal_lab.study.page_tables import COUNTED, NOT_YET, SHOWN, by_kind, counted, grid, number, shown
from unconceal_lab.study.rebuild_check import makings, moved
from unconceal_lab.study.seed_spread import between_extractors, ranked_apart, seed_spread
from unconceal_lab.study.settings import READ, RELEASED, SETTINGS, USUAL
from unconceal_lab.study.study_rows import Row, by_task

EXTRACTORS = ("resnet18", "densenet121", "efficientnet_b0")
LEARNT: Mapping[str, str] = {
    "CRS, as released": "crs.released.forget",
    "CRS, signed": "crs.signed.forget",
    "CRS, calibrated": "crs.calibrated.forget",
    "CCS": "ccs.forget",
}
"""Scores that a fine-tuned classifier gives, up to the extractor's name."""


def other_settings(rows: Sequence[Row], scoring: Scoring) -> str:
    """Verdicts under other steps, guidance and judges, and the excess that they rest on beside what the same members have usually."""
    text = "## Other samplers, other judges\n\n"
    lines = []
    for name in READ:
        found = [row for row in rows if row.setting == name != USUAL]
        measured = {(row.task, row.name) for row in found}
        usual = [row for row in rows if row.setting == USUAL and (row.task, row.name) in measured]
        if found:
            moved_to = (before_and_after(mean_excess(usual, kind), mean_excess(found, kind)) for kind in ("gold", "decoupled"))
            lines.append([name, ", ".join(by_task(found)), *counted(by_kind(found, scoring)), *moved_to])
    if not lines:
        return text + NOT_YET
    return text + SAMPLERS + grid(lines, ("setting", "tasks", *COUNTED, "mean excess, golds", "concealers"))


SAMPLERS = """\
Mean excess: of the same models under the suite's own sampler and judge → under the setting. Judges 2 and 3 were fitted like the suite's
with other seeds, on other pictures of θ.

"""


def mean_excess(rows: Sequence[Row], kind: str) -> str:
    """Mean excess, larger arm, of the rows of a kind."""
    found = [value for row in rows if row.kind == kind and (value := row.scores.get("excess")) is not None]
    return number(float(np.mean(found)) if found else None)


def classifier_seeds(rows: Sequence[Row], scoring: Scoring) -> str:
    """How much of a fine-tuned classifier's scores is its seed."""
    settings = (USUAL, *(name for name, setting in SETTINGS.items() if setting.classifier))
    found = {name: one for name, stem in LEARNT.items() if (one := seed_spread(rows, f"{stem}.{EXTRACTORS[0]}", settings))}
    title = "## The classifier's seed\n\n"
    if not found:
        return title + NOT_YET
    told = (
        "Standard deviation of a score over three trainings of the classifier on the same pictures (order, triplets and the head's start\n"
        "differ), mean over models, beside its standard deviation over models, mean over tasks.\n\n"
    )
    lines = [[name, f"{one.seeds:.3f}", f"{one.models:.3f}", f"{one.seeds / one.models:.0%}", str(one.n)] for name, one in found.items()]
    return title + told + grid(lines, ("score", "over seeds", "over models", "share", "models"))


def extractors(rows: Sequence[Row], scoring: Scoring) -> str:
    """Whether the three extractors rank models alike, and how well each tells concealers from golds."""
    title, usual = "## The extractor\n\n", [row for row in rows if row.setting == USUAL and f"ccs.forget.{EXTRACTORS[-1]}" in row.scores]
    golds, concealers = (sum(row.kind == kind for row in usual) for kind in ("gold", "decoupled"))
    lines = []
    for name, stem in LEARNT.items():
        pairs = between_extractors(usual, stem, EXTRACTORS)
        areas = [separation(usual, score(f"{stem}.{extractor}")) for extractor in EXTRACTORS]
        if pairs:
            least, most = min(one.rho for one in pairs), max(one.rho for one in pairs)
            lines.append([name, f"{least:.2f} to {most:.2f}", *(number(one.area if one else None) for one in areas)])
    if not lines:
        return title + NOT_YET
    tasks = ", ".join(sorted({row.task for row in usual}))
    told = (
        "Spearman's ρ between two extractors (mean over tasks, the lowest and the highest of three pairs), and each one's area\n"
        f"under the curve of telling pure concealers ({concealers}) from golds ({golds}). {len(usual)} models, of\n"
        f"{tasks}.\n\n"
    )
    return title + told + grid(lines, ("score", "ρ between extractors", *EXTRACTORS))


def as_released(rows: Sequence[Row], scoring: Scoring) -> str:
    """How far apart the released protocol and ours rank the same models."""
    title, setting = "## The protocol as released against ours\n\n", next(n for n, s in SETTINGS.items() if s.protocol == "paper")
    ours = {name: METRICS[name] for name in ("excess (larger arm)", "CRS, as released", "CCS")}
    released = {"CRS": METRICS["CRS, as released"], "CCS": METRICS["CCS"]}
    lines = [
        [f"{theirs}, released protocol", name, one.task, str(one.n), f"{one.rho:.2f}", f"{one.mean:.1f}", f"{one.most:.1f}"]
        for theirs, measure in released.items()
        for name, mine in ours.items()
        for one in ranked_apart(rows, measure, mine, (setting, USUAL))
    ]
    if not lines:
        return title + NOT_YET
    told = (
        f"Protocol `paper` ([protocols.md](protocols.md)) at {RELEASED.prompts} forget prompts, {RELEASED.pictures} pictures a prompt\n"
        f"and {RELEASED.steps} steps (released: all prompts, 200 and 100), one picture per ψ. By how many places two scores rank a model\n"
        "apart, on average and at most.\n\n"
    )
    return title + told + grid(lines, ("released protocol", "ours", "task", "models", "ρ", "places apart, mean", "most"))


def built_again(rows: Sequence[Row], scoring: Scoring) -> str:
    """Whether weights made a second time get the verdict of the first, and whether golds made again leave that of others."""
    title, found = "## Built again\n\n", makings(rows)
    if not found:
        return title + NOT_YET
    lines = [
        [
            first.task,
            first.name,
            "same" if first.weights == second.weights else "other",
            *map(before_and_after, [*shown(first), first.label], [*shown(second), second.label]),
        ]
        for first, second in found
    ]
    text = title + AGAIN + grid(lines, ("task", "model", "bytes", *SHOWN, "verdict"))
    moves = [[one.task, str(one.golds), str(one.n), str(one.same), str(one.opened), str(one.turned)] for one in moved(rows, scoring)]
    if moves:
        text += "\n" + REPLACED + grid(moves, ("task", "golds replaced", "models", "same verdict", "open in one", "turned"))
    return text


AGAIN = """\
Weights that do not travel with the source, made a second time by the same recipe in another build, and measured as the first.
First making → second, both read against the first golds; *bytes*: of the weights.

"""
REPLACED = """\
The other way round: verdicts of all models of a task read against its golds as first made, and with those made again in their
place. *Open in one*: inconclusive in one reading; *turned*: two verdicts that contradict each other.

"""


def before_and_after(first: str, second: str) -> str:
    return f"{first} → {second}"


SECTIONS: tuple[Callable[[Sequence[Row], Scoring], str], ...] = (other_settings, classifier_seeds, extractors, as_released, built_again)
