"""``docs/validation.md``: what the study found, written from its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from unconceal.specs.suite import Scoring
from unconceal_lab.study import settings_page, study_figures, unlearners_page
from unconceal_lab.study.findings import (
    METRICS,
    PRIMARY,
    RIVALS,
    TRUTHS,
    Agreement,
    Lead,
    Separation,
    Verdicts,
    judged,
    lead,
    rank_agreement,
    relearning,
    separation,
    share,
    verdicts,
)
from unconceal_lab.study.gold_free_thresholds import floors
from unconceal_lab.study.graded_series import graded_tasks, hidden, shown_openly, with_shares
from unconceal_lab.study.key_findings import in_short
from unconceal_lab.study.page_tables import (
    COUNTED,
    FOLDER,
    KNOWN,
    MARGINS,
    NOT_YET,
    SCORED,
    SHOWN,
    WIDER_MARGINS,
    by_kind,
    counted,
    grid,
    number,
    picture,
    shown,
    surrogate_names,
)
from unconceal_lab.study.population import Kind
from unconceal_lab.study.reread_verdicts import gold_differences, hiding, read
from unconceal_lab.study.settings import BUILT_AGAIN, READ, SETTINGS, USUAL
from unconceal_lab.study.study_rows import Row, by_task

PAGE = "validation.md"
COMMAND = "unconceal miniature validation --docs docs"
GRIDS: Mapping[str, tuple[float, ...]] = {
    "all points": (),
    "ψ = .1, .3, .6": (0.0, 0.1, 0.3, 0.6, 1.0),
    "ψ = .1, .2, .4, .6": (0.0, 0.1, 0.2, 0.4, 0.6, 1.0),
}
COUNTS = (12, 18, 24, 30, 36)
WINDOWS = ((0.1, 0.6), (0.1, 0.5), (0.1, 0.4), (0.1, 0.3), (0.2, 0.5))


def write(rows: Sequence[Row], scoring: Scoring, docs: Path) -> None:
    """The page and its pictures; ``rows`` as they were measured, not read against golds yet."""
    rows = [row for setting in SETTINGS for row in read_under(setting, rows, scoring)]
    (docs / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, sheet in pictures(rows, scoring).items():
        study_figures.save(sheet, docs / FOLDER / f"{name}.png")
    (docs / PAGE).write_text(page(rows, scoring), encoding="utf-8")


def read_under(setting: str, rows: Sequence[Row], scoring: Scoring) -> list[Row]:
    """The rows of a setting, read against its golds where there is anything to read; what was built again against the first golds."""
    of = [row for row in rows if row.setting == setting]
    if setting == BUILT_AGAIN:
        return read(of, scoring, against=[row for row in rows if row.setting == USUAL])
    return read(of, scoring) if setting in READ else of


def rows_file(docs: Path) -> Path:
    """Where the rows lie that page and pictures are made from."""
    return docs / FOLDER / "rows.jsonl"


def pictures(rows: Sequence[Row], scoring: Scoring) -> dict[str, Figure]:
    """Every picture by its file's name."""
    rows = [row for row in rows if not row.setting]
    apart = {name: one for name, metric in METRICS.items() if (one := separation(rows, metric))}
    found = {
        "graded": study_figures.graded(rows) if hidden(rows) else None,
        "relearning": study_figures.against_relearning(rows, hiding(rows, scoring))
        if any(row.relearning is not None for row in rows)
        else None,
        "prompts": study_figures.by_prompts({count: by_kind(rows, scoring, prompts=count) for count in counts_of(rows)}),
        "golds": study_figures.differences(gold_differences(rows, scoring.excess_psi).tolist(), scoring.margin),
        "separation": study_figures.separations(apart) if apart else None,
    }
    return {name: sheet for name, sheet in found.items() if sheet}


def page(rows: Sequence[Row], scoring: Scoring) -> str:
    """The whole document."""
    parts = (
        in_short,
        population,
        known_truths,
        ranks,
        separations,
        graded_series,
        *unlearners_page.SECTIONS,
        sensitivity,
        margins,
        golds_alone,
        lesser_golds,
        no_golds,
    )
    usual = [row for row in rows if not row.setting]
    text = "".join(f"\n{part(usual, scoring)}" for part in parts)
    return "# Are the metrics right?\n\n" + INTRODUCTION + text + "\n" + "\n".join(part(rows, scoring) for part in settings_page.SECTIONS)


INTRODUCTION = f"""\
In the miniature world it is known which model never saw a concept and which merely hides it. This page holds every metric against that
knowledge. It is written by `{COMMAND}` from `docs/validation/rows.jsonl`, a row for each model; `unconceal miniature study` measures the
rows anew, and says before it starts how many hours that takes. Two tasks (*arrow*, *zigzag*) were kept out of every choice and are
reported by themselves.
"""


def population(rows: Sequence[Row], scoring: Scoring) -> str:
    """What was measured."""
    kinds, tasks = Counter(row.kind for row in rows), by_task(rows)
    table = grid([[kind, str(kinds[kind]), told] for kind, told in KINDS.items() if kinds[kind]], ("kind", "n", "what is known"))
    return f"## What was measured\n\n{len(rows)} models on {len(tasks)} tasks ({', '.join(tasks)}).\n\n{table}"


KINDS: Mapping[Kind, str] = {
    "gold": "never saw the concept, nor the rest of its family: `forgets`",
    "alone": "never saw the concept, but the other eight: `forgets`",
    "decoupled": "only its words are cut off: `conceals`",
    "damaged": "destroyed: `damaged`",
    "original": "θ itself: `intact`",
    "unrelated": "unlearned of another concept: `intact`",
    "graded": "saw 0 to 10 % of the concept's pictures; half of them decoupled on top",
    "method": "a published unlearner; nothing is known",
    "surrogate": "never saw the concept, and differs from θ in more; read as a gold, not judged itself",
}


def known_truths(rows: Sequence[Row], scoring: Scoring) -> str:
    """Verdicts against truth, by kind, held-out tasks by themselves."""
    text = "## Verdicts whose truth is known\n"
    for title, held_out in (("Tasks that choices were made on", False), ("Held out", True)):
        of = [row for row in rows if row.held_out == held_out]
        found = {kind: verdicts(judged([row for row in of if row.kind == kind])) for kind in KNOWN}
        scored = [row for row in of if row.kind in SCORED]
        found |= {"scored in all": verdicts(judged(scored)), "of these independent": verdicts(judged(independent(scored)))}
        lines = [verdict_line(kind, one) for kind, one in found.items() if one.n]
        text += f"\n### {title}\n\n" + (grid(lines, VERDICT_HEADERS) if lines else NOT_YET)
    wrong = [row for row in rows if row.truth and row.label != row.truth]
    if wrong:
        text += "\nNot as it should be:\n\n" + "".join(f"- {row.name} on {row.task}: {row.label}, should be {row.truth}\n" for row in wrong)
    return text + INDEPENDENT


VERDICT_HEADERS = ("models", "n", "right", "undecided", "wrong", "false verdicts [95 %]")


INDEPENDENT = """
*Independent*: cutting words off leaves the UNet as it was, so pure decouplings of a task complete the very same pictures in the empty
arm, whatever their form and seed; destroyed models that draw nothing of the concept are as alike. In this line such models count once, and
its interval is the one to believe.
"""


def independent(rows: Sequence[Row]) -> list[Row]:
    """One row of those that show the same in the empty arm of the same task."""
    return list({(row.task, row.kind, row.empty): row for row in rows}.values())


def verdict_line(kind: str, found: Verdicts) -> list[str]:
    low, high = found.false_rate
    rate = f"{found.wrong / found.n:.1%} [{low:.1%}, {high:.1%}]"
    return [kind, str(found.n), str(found.right), str(found.undecided), str(found.wrong), rate]


def ranks(rows: Sequence[Row], scoring: Scoring) -> str:
    """Spearman's ρ of every metric with every truth: all models, those that are no gold, those that look forgotten."""
    text = "## Do the metrics rank models as the truths do?\n\nMean over tasks of Spearman's ρ within each, [95 % interval], n models.\n"
    known = {name: truth for name, truth in TRUTHS.items() if any(truth(row) is not None for row in rows)}
    text += "".join(f"{name.capitalize()}: not measured yet.\n" for name in TRUTHS if name not in known)
    forgotten = hiding(rows, scoring)
    for title, chosen in (
        ("All models", rows),
        ("Without golds", [row for row in rows if row.kind != "gold"]),
        ("Models that look forgotten", forgotten),
    ):
        of = {truth: with_shares(chosen) if truth is share else chosen for truth in known.values()}
        lines = [[name, *(told(rank_agreement(of[truth], metric, truth)) for truth in of)] for name, metric in METRICS.items()]
        text += f"\n### {title}\n\n" + grid(lines, ("metric", *known))
    text += FORGOTTEN
    if any(row.relearning is not None for row in rows):
        text += "\n" + contest("The primary column and relearning", rows)
        text += contest("The primary column and relearning where a model looks forgotten", forgotten)
        text += picture("relearning", "excess against the time to learn the concept again, for each task")
    return text


FORGOTTEN = """
*Look forgotten*: P(0) is surely below halfway between golds and θ. A model that still draws the concept when asked needs no benchmark to be
found out, and every metric that looks at what is drawn finds it; what is left here is the question that the verdicts are for.
"""


def contest(title: str, rows: Sequence[Row]) -> str:
    """The primary column's rank correlation with relearning beside that of published metrics, each on the models that have both."""
    found = {name: one for name in RIVALS if (one := lead(rows, METRICS[PRIMARY], METRICS[name], relearning))}
    lines = [[name, *lead_line(one)] for name, one in found.items()]
    own = rank_agreement(rows, METRICS[PRIMARY], relearning)
    by_task = ", ".join(f"{task} {rho:.2f}" for task, rho in own.by_task.items()) if own else "not enough models"
    text = f"### {title}\n\nSpearman's ρ of *{PRIMARY}* with relearning, by task: {by_task}.\n"
    if not lines:
        return text + "\n"
    told = "Against published metrics, each on the models that have both scores, with the paired interval of the difference:\n\n"
    return text + told + grid(lines, ("metric", "its ρ", "primary column's ρ", "difference [95 %]", "models on tasks")) + "\n"


def lead_line(found: Lead) -> list[str]:
    difference = f"{found.first - found.second:.2f} [{found.low:.2f}, {found.high:.2f}]"
    return [f"{found.second:.2f}", f"{found.first:.2f}", difference, f"{found.n} on {found.tasks}"]


def told(found: Agreement | None) -> str:
    return "–" if found is None else f"{found.rho:.2f} [{found.low:.2f}, {found.high:.2f}], {found.n}"


def separations(rows: Sequence[Row], scoring: Scoring) -> str:
    """Areas under the curve of telling concealers from golds."""
    found: dict[str, Separation] = {name: one for name, metric in METRICS.items() if (one := separation(rows, metric))}
    lines = [
        [name, f"{one.area:.3f} [{one.interval.low:.2f}, {one.interval.high:.2f}]", str(one.golds), str(one.concealers)]
        for name, one in found.items()
    ]
    title = "## Which metrics tell concealment from forgetting?\n\n"
    if not lines:
        return title + NOT_YET
    table = grid(lines, ("metric", "area [95 %]", "golds", "concealers"))
    return title + table + "\n" + picture("separation", "areas under the curve by metric")


def graded_series(rows: Sequence[Row], scoring: Scoring) -> str:
    """The ordering truth: models that all look forgotten and differ in what they saw; below them the same without the words cut off."""
    title = "## The graded series\n\n"
    if not hidden(rows):
        return title + NOT_YET
    lines = [
        [row.task, row.name, f"{row.share:.1%}", *shown(row), number(row.relearning), row.label]
        for of in graded_tasks(rows).values()
        for row in [*hidden(of), *shown_openly(of)]
    ]
    table = grid(lines, ("task", "model", "seen", *SHOWN, "relearning", "verdict"))
    return title + SERIES + table + "\n" + picture("graded", "presence and excess over the share of pictures seen")


SERIES = """\
Continuations that saw a share of the concept's pictures. With the concept's words cut off on top (first of each task) all look
forgotten, and only hidden knowledge differs; the last of them is pure decoupling of θ. *Relearning*: time to learn the concept again
over that for something new; about 1 for a gold.

"""


def counts_of(rows: Sequence[Row]) -> list[int]:
    """Numbers of prompts to try: no more than there are."""
    most = min((len(row.prompt) for row in rows), default=0)
    return [count for count in COUNTS if count <= most]


def sensitivity(rows: Sequence[Row], scoring: Scoring) -> str:
    """What verdicts depend on: prompts, grid, window."""
    tries = {
        **{f"{count} prompts": by_kind(rows, scoring, prompts=count) for count in counts_of(rows)},
        **{name: by_kind(rows, scoring, psi=points or None) for name, points in GRIDS.items()},
        **{f"window ψ = {window[0]:g} to {window[1]:g}": by_kind(rows, with_window(scoring, window)) for window in WINDOWS},
    }
    table = grid([[name, *counted(found)] for name, found in tries.items()], ("read with", *COUNTED))
    return f"## What verdicts depend on\n\n{table}\n" + picture("prompts", "right and wrong verdicts over the number of prompts")


def with_window(scoring: Scoring, window: tuple[float, float]) -> Scoring:
    return scoring.model_copy(update={"excess_psi": window})


def margins(rows: Sequence[Row], scoring: Scoring) -> str:
    """How far golds differ, and what verdicts other margins would give."""
    found = gold_differences(rows, scoring.excess_psi)
    if not len(found):
        return "## The margin\n\nNo two golds of a task are measured yet.\n"
    quantiles = ", ".join(f"{share:.0%}: {np.quantile(found, share):.3f}" for share in (0.5, 0.9, 0.95, 1.0))
    lines = [[f"{margin:g}", *counted(by_kind(rows, scoring.model_copy(update={"margin": margin})))] for margin in MARGINS]
    text = f"## The margin\n\n|excess| of a gold over the others of its task, {len(found)} golds × arms; quantiles: {quantiles}.\n\n"
    return text + grid(lines, ("margin", *COUNTED)) + "\n" + picture("golds", "differences between golds and the margin")


def golds_alone(rows: Sequence[Row], scoring: Scoring) -> str:
    """Golds that leave out one concept, read against those that leave out a family."""
    title = "## Golds by family\n\n"
    alone = [row for row in rows if row.kind == "alone"]
    if not alone:
        return title + NOT_YET
    lines = [[row.task, *shown(row), row.label] for row in sorted(alone, key=lambda row: row.task)]
    told = (
        "Golds leave out a family of concepts, one of a kind. These leave out their own concept alone, as θ's exact counterpart would.\n"
        "What lies between them and the others is what the economy costs:\n\n"
    )
    return title + told + grid(lines, ("task", *SHOWN, "verdict"))


def lesser_golds(rows: Sequence[Row], scoring: Scoring) -> str:
    """Verdicts read against exact golds, against each surrogate, and against none."""
    names = surrogate_names(rows)
    tries = {"exact golds": "gold", **{name: name for name in names}, "none": ""}
    lines = [
        [name, f"{margin:g}", *counted(found)]
        for name, golds in tries.items()
        for margin in (WIDER_MARGINS if golds in names else (scoring.margin,))
        if (found := by_kind(rows, scoring.model_copy(update={"margin": margin}), golds=golds))
    ]
    told = "Each surrogate is one model in place of the three golds; without any, a verdict may say `intact` and nothing else."
    return f"## Golds of lesser kind\n\n{told}\n\n" + grid(lines, ("read against", "margin", *COUNTED))


FLOORS = 8
"""Floors that the page shows, the best first."""


def no_golds(rows: Sequence[Row], scoring: Scoring) -> str:
    """Thresholds on what a model completes, read against nothing, each task judged by the others' threshold."""
    title = "## Without any gold\n\n"
    found = list(floors(rows).items())[:FLOORS]
    if not found:
        return title + "Fewer than two tasks hold both golds and concealers.\n"
    lines = [
        [name, f"{one.right}/{one.n} [{one.interval.low:.0%}, {one.interval.high:.0%}]", f"{one.threshold:.2f}", f"{one.gap:.2f}"]
        for name, one in found
    ]
    told = (
        "A threshold on what a model completes, in units of θ's own rate, set midway between golds and pure concealers of the\n"
        "other tasks: how many golds and concealers it tells apart. *Gap*: smallest concealer minus largest gold over all tasks;\n"
        "below 0 they overlap, and no threshold can be right for all.\n\n"
    )
    return title + told + grid(lines, ("floor", "right", "threshold", "gap"))
