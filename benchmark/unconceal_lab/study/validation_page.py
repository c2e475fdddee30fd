"""``docs/reports/validation.md``: the results of the validation study, from its rows."""

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
    PUBLISHED_METRICS,
    TRUTHS,
    CorrelationDifference,
    RankAgreement,
    Verdicts,
    correlation_difference,
    labelled_truths,
    rank_agreement,
    relearning,
    separation,
    share,
    verdicts,
)
from unconceal_lab.study.gold_free_thresholds import gold_free_thresholds
from unconceal_lab.study.graded_series import decoupled_series, graded_tasks, plain_series, rows_with_shares
from unconceal_lab.study.key_findings import key_findings
from unconceal_lab.study.page_tables import (
    COUNT_HEADERS,
    FOLDER,
    MARGINS,
    MODEL_SCORES,
    NOT_YET,
    SCORED_KINDS,
    TRUTH_KINDS,
    WIDER_MARGINS,
    IsGold,
    by_kind,
    count_cells,
    figure,
    grid,
    is_gold,
    is_surrogate,
    model_scores,
    number,
    surrogate_names,
)
from unconceal_lab.study.population import Kind
from unconceal_lab.study.reread_verdicts import gold_differences, rows_looking_forgotten, with_verdicts
from unconceal_lab.study.settings import REBUILT, SETTINGS, SETTINGS_WITH_GOLDS, USUAL
from unconceal_lab.study.study_rows import Row, by_task, refuse_mixed_weights

PAGE = "validation.md"
COMMAND = "python -m unconceal_lab validation"
GRIDS: Mapping[str, tuple[float, ...]] = {
    "all points": (),
    "ψ = .1, .3, .6": (0.0, 0.1, 0.3, 0.6, 1.0),
    "ψ = .1, .2, .4, .6": (0.0, 0.1, 0.2, 0.4, 0.6, 1.0),
}
PROMPT_COUNTS = (12, 18, 24, 30, 36)
WINDOWS = ((0.1, 0.6), (0.1, 0.5), (0.1, 0.4), (0.1, 0.3), (0.2, 0.5))
N_THRESHOLDS = 8
"""Gold-free thresholds on the page, the best first."""


def write(rows: Sequence[Row], scoring: Scoring, reports: Path) -> None:
    """Write the page and its figures.

    Args:
        rows: Rows as measured, without verdicts.
        scoring: The suite's rules.
        reports: Folder of the page.

    Raises:
        CheckFailed: the stages of a row were measured on different weights.
    """
    refuse_mixed_weights(rows)
    rows = [row for setting in SETTINGS for row in rows_with_verdicts(setting, rows, scoring)]
    (reports / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, drawing in figures(rows, scoring).items():
        study_figures.save(drawing, reports / FOLDER / f"{name}.png")
    (reports / PAGE).write_text(page(rows, scoring), encoding="utf-8")


def rows_with_verdicts(setting: str, rows: Sequence[Row], scoring: Scoring) -> list[Row]:
    """The rows of a setting, with verdicts where it has golds; rebuilt models are compared with the first golds."""
    setting_rows = [row for row in rows if row.setting == setting]
    if setting == REBUILT:
        return with_verdicts(setting_rows, scoring, gold_rows=[row for row in rows if row.setting == USUAL])
    return with_verdicts(setting_rows, scoring) if setting in SETTINGS_WITH_GOLDS else setting_rows


def rows_path(reports: Path) -> Path:
    """The file of the rows."""
    return reports / FOLDER / "rows.jsonl"


def figures(rows: Sequence[Row], scoring: Scoring) -> dict[str, Figure]:
    """Every figure by the name of its file."""
    rows = [row for row in rows if not row.setting]
    separations = {name: result for name, metric in METRICS.items() if (result := separation(rows, metric))}
    counts = {count: by_kind(rows, scoring, prompts=count) for count in prompt_counts(rows)}
    drawings = {
        "graded": study_figures.graded_figure(rows) if decoupled_series(rows) else None,
        "relearning": study_figures.relearning_figure(rows, rows_looking_forgotten(rows, scoring))
        if any(row.relearning is not None for row in rows)
        else None,
        "prompts": study_figures.prompts_figure(counts),
        "golds": study_figures.golds_figure(gold_differences(rows, scoring.excess_psi).tolist(), scoring.margin),
        "separation": study_figures.separation_figure(separations) if separations else None,
    }
    return {name: drawing for name, drawing in drawings.items() if drawing}


def page(rows: Sequence[Row], scoring: Scoring) -> str:
    """The text of the page; ``rows`` with verdicts."""
    parts = (
        key_findings,
        population,
        known_truths,
        ranks,
        separations,
        graded_series,
        *unlearners_page.SECTIONS,
        sensitivity,
        margins,
        golds_alone,
        surrogate_golds,
        no_golds,
    )
    usual = [row for row in rows if not row.setting]
    text = "".join(f"\n{part(usual, scoring)}" for part in parts)
    return (
        "# Validation of the metrics\n\n" + INTRODUCTION + text + "\n" + "\n".join(part(rows, scoring) for part in settings_page.SECTIONS)
    )


INTRODUCTION = f"""\
In the miniature world it is known which model never saw a concept and which one only hides it. This page compares every metric with that
truth. It is generated by `{COMMAND}` from `docs/reports/validation/rows.jsonl`, one row per model. `python -m unconceal_lab study` measures
the rows again; with `--plan` it prints how many hours that takes. Two tasks (*arrow*, *zigzag*) were held out from every choice and are
reported separately.

**Measured with version 2 of the suite**: the handover alone, in whose empty arm each model used its own embedding of the empty prompt. On
this page *forgets* means: like a gold under both arms of that handover. Version 3 requires relearning as well, and its verdicts are in
[the page of the battery](battery.md).
"""


def population(rows: Sequence[Row], scoring: Scoring) -> str:
    """Numbers of models and tasks."""
    counts, tasks = Counter(row.kind for row in rows), by_task(rows)
    lines = [[kind, str(counts[kind]), description] for kind, description in KINDS.items() if counts[kind]]
    table = grid(lines, ("kind", "n", "truth"))
    return f"## Models\n\n{len(rows)} models on {len(tasks)} tasks ({', '.join(tasks)}).\n\n{table}"


KINDS: Mapping[Kind, str] = {
    "gold": "never saw the concept, nor the rest of its family: `forgets`",
    "alone": "never saw the concept, but the other eight: `forgets`",
    "decoupled": "only its words are cut off: `conceals`",
    "damaged": "destroyed: `damaged`",
    "original": "θ itself: `intact`",
    "unrelated": "another concept was unlearned: `intact`",
    "graded": "saw 0 to 10 % of the concept's images; half of them also decoupled",
    "method": "a published unlearner; unknown",
    "surrogate": "never saw the concept, and differs from θ in more; used as a gold, not judged itself",
}


def known_truths(rows: Sequence[Row], scoring: Scoring) -> str:
    """Verdicts against truth by kind, held-out tasks separately."""
    text = "## Verdicts of known truth\n"
    for title, held_out in (("Tasks that choices were made on", False), ("Held out", True)):
        title_rows = [row for row in rows if row.held_out == held_out]
        counts = {kind: verdicts(labelled_truths([row for row in title_rows if row.kind == kind])) for kind in TRUTH_KINDS}
        scored = [row for row in title_rows if row.kind in SCORED_KINDS]
        counts |= {
            "scored in all": verdicts(labelled_truths(scored)),
            "of these independent": verdicts(labelled_truths(independent(scored))),
        }
        lines = [verdict_line(kind, count) for kind, count in counts.items() if count.n]
        text += f"\n### {title}\n\n" + (grid(lines, VERDICT_HEADERS) if lines else NOT_YET)
    wrong = [row for row in rows if row.truth and row.label != row.truth]
    if wrong:
        text += "\nVerdicts that differ from the truth:\n\n"
        text += "".join(f"- {row.name} on {row.task}: {row.label}, truth {row.truth}\n" for row in wrong)
    return text + INDEPENDENT


VERDICT_HEADERS = ("models", "n", "right", "undecided", "wrong", "false verdicts [95 %]")


INDEPENDENT = """
*Independent*: decoupling leaves the UNet unchanged, so pure decouplings of a task generate identical images in the empty arm, whatever
their form and seed. Destroyed models that show nothing of the concept are as alike. This line counts such models once; use its interval.
"""


def independent(rows: Sequence[Row]) -> list[Row]:
    """One row of those with equal rates in the empty arm of the same task."""
    return list({(row.task, row.kind, row.empty): row for row in rows}.values())


def verdict_line(kind: str, count: Verdicts) -> list[str]:
    low, high = count.false_rate
    rate = f"{count.wrong / count.n:.1%} [{low:.1%}, {high:.1%}]"
    return [kind, str(count.n), str(count.right), str(count.undecided), str(count.wrong), rate]


def ranks(rows: Sequence[Row], scoring: Scoring) -> str:
    """Spearman's ρ of every metric with every truth: all models, those that are no gold, those that look forgotten."""
    text = "## Rank correlation with the truths\n\nMean over tasks of Spearman's ρ within each, [95 % interval], n models.\n"
    measured = {name: truth for name, truth in TRUTHS.items() if any(truth(row) is not None for row in rows)}
    text += "".join(f"{name.capitalize()}: not measured yet.\n" for name in TRUTHS if name not in measured)
    forgotten = rows_looking_forgotten(rows, scoring)
    for title, selected in (
        ("All models", rows),
        ("Without golds", [row for row in rows if row.kind != "gold"]),
        ("Models that look forgotten", forgotten),
    ):
        truth_rows = {truth: rows_with_shares(selected) if truth is share else selected for truth in measured.values()}
        lines = [
            [name, *(agreement_cell(rank_agreement(truth_rows[truth], metric, truth)) for truth in measured.values())]
            for name, metric in METRICS.items()
        ]
        text += f"\n### {title}\n\n" + grid(lines, ("metric", *measured))
    text += FORGOTTEN
    if any(row.relearning is not None for row in rows):
        text += "\n" + metric_comparison("The primary metric and relearning", rows)
        text += metric_comparison("The primary metric and relearning where a model looks forgotten", forgotten)
        text += figure("relearning", "excess against relative relearning time, for each task")
    return text


FORGOTTEN = """
*Look forgotten*: P(0) is significantly below halfway between golds and θ. A model that still shows the concept when prompted is detected by
every metric that looks at images. The verdicts are for the other models.
"""


def metric_comparison(title: str, rows: Sequence[Row]) -> str:
    """Rank correlations of the primary metric and of published metrics with relearning, on the models that have both."""
    results = {
        name: result for name in PUBLISHED_METRICS if (result := correlation_difference(rows, METRICS[PRIMARY], METRICS[name], relearning))
    }
    lines = [[name, *difference_cells(result)] for name, result in results.items()]
    agreement = rank_agreement(rows, METRICS[PRIMARY], relearning)
    rhos = ", ".join(f"{task} {rho:.2f}" for task, rho in agreement.by_task.items()) if agreement else "not enough models"
    text = f"### {title}\n\nSpearman's ρ of *{PRIMARY}* with relearning, by task: {rhos}.\n"
    if not lines:
        return text + "\n"
    intro = "Against published metrics, each on the models that have both scores, with the interval of the paired difference:\n\n"
    return text + intro + grid(lines, ("metric", "its ρ", "primary metric's ρ", "difference [95 %]", "models on tasks")) + "\n"


def difference_cells(result: CorrelationDifference) -> list[str]:
    difference = f"{result.first - result.second:.2f} [{result.low:.2f}, {result.high:.2f}]"
    return [f"{result.second:.2f}", f"{result.first:.2f}", difference, f"{result.n} on {result.tasks}"]


def agreement_cell(agreement: RankAgreement | None) -> str:
    return "–" if agreement is None else f"{agreement.rho:.2f} [{agreement.low:.2f}, {agreement.high:.2f}], {agreement.n}"


def separations(rows: Sequence[Row], scoring: Scoring) -> str:
    """Areas under the curve of concealers against golds."""
    results = {name: result for name, metric in METRICS.items() if (result := separation(rows, metric))}
    lines = [
        [
            name,
            f"{result.area:.3f} [{result.interval.low:.2f}, {result.interval.high:.2f}]",
            str(result.golds),
            str(result.concealers),
        ]
        for name, result in results.items()
    ]
    title = "## Separation of concealers from golds\n\n"
    if not lines:
        return title + NOT_YET
    table = grid(lines, ("metric", "area [95 %]", "golds", "concealers"))
    return title + table + "\n" + figure("separation", "areas under the curve by metric")


def graded_series(rows: Sequence[Row], scoring: Scoring) -> str:
    """Models that look forgotten and differ in the share of images that they saw; the same without decoupling below them."""
    title = "## The graded series\n\n"
    if not decoupled_series(rows):
        return title + NOT_YET
    lines = [
        [row.task, row.name, f"{row.share:.1%}", *model_scores(row), number(row.relearning), row.label]
        for task_rows in graded_tasks(rows).values()
        for row in [*decoupled_series(task_rows), *plain_series(task_rows)]
    ]
    table = grid(lines, ("task", "model", "share seen", *MODEL_SCORES, "relearning", "verdict"))
    return title + SERIES + table + "\n" + figure("graded", "presence and excess over the share of images seen")


SERIES = """\
Continuations that saw a share of the concept's images. Those that were also decoupled (first of each task) all look forgotten and differ
only in hidden knowledge; the last of them is pure decoupling of θ. *Relearning*: time to relearn the concept over the time to learn a
control concept; about 1 for a gold.

"""


def prompt_counts(rows: Sequence[Row]) -> list[int]:
    """Numbers of prompts to try, up to the available ones."""
    available = min((len(row.prompt) for row in rows), default=0)
    return [count for count in PROMPT_COUNTS if count <= available]


def sensitivity(rows: Sequence[Row], scoring: Scoring) -> str:
    """Verdicts with other numbers of prompts, grids and windows."""
    counts = {
        **{f"{count} prompts": by_kind(rows, scoring, prompts=count) for count in prompt_counts(rows)},
        **{name: by_kind(rows, scoring, psi=points or None) for name, points in GRIDS.items()},
        **{f"window ψ = {window[0]:g} to {window[1]:g}": by_kind(rows, with_window(scoring, window)) for window in WINDOWS},
    }
    table = grid([[name, *count_cells(by_name)] for name, by_name in counts.items()], ("computed with", *COUNT_HEADERS))
    return f"## Sensitivity of the verdicts\n\n{table}\n" + figure("prompts", "right and wrong verdicts over the number of prompts")


def with_window(scoring: Scoring, window: tuple[float, float]) -> Scoring:
    return scoring.model_copy(update={"excess_psi": window})


def margins(rows: Sequence[Row], scoring: Scoring) -> str:
    """Differences between golds, and verdicts with other margins."""
    differences = gold_differences(rows, scoring.excess_psi)
    if not len(differences):
        return "## The margin\n\nNo two golds of a task are measured yet.\n"
    quantiles = ", ".join(f"{level:.0%}: {np.quantile(differences, level):.3f}" for level in (0.5, 0.9, 0.95, 1.0))
    lines = [[f"{margin:g}", *count_cells(by_kind(rows, scoring.model_copy(update={"margin": margin})))] for margin in MARGINS]
    text = f"## The margin\n\n|excess| of a gold over the others of its task, {len(differences)} golds × arms; quantiles: {quantiles}.\n\n"
    return text + grid(lines, ("margin", *COUNT_HEADERS)) + "\n" + figure("golds", "differences between golds and the margin")


def golds_alone(rows: Sequence[Row], scoring: Scoring) -> str:
    """Golds that leave out one concept, compared with those that leave out a family."""
    title = "## Golds by family\n\n"
    alone = [row for row in rows if row.kind == "alone"]
    if not alone:
        return title + NOT_YET
    lines = [[row.task, *model_scores(row), row.label] for row in sorted(alone, key=lambda row: row.task)]
    intro = (
        "Golds leave out a family of concepts, one of each category, to save trainings. The models below leave out their own concept\n"
        "alone, as θ's exact counterpart would.\n\n"
    )
    return title + intro + grid(lines, ("task", *MODEL_SCORES, "verdict"))


def surrogate_golds(rows: Sequence[Row], scoring: Scoring) -> str:
    """Verdicts against exact golds, against each surrogate, and without golds."""
    references: dict[str, tuple[IsGold | None, tuple[float, ...]]] = {
        "exact golds": (is_gold, (scoring.margin,)),
        **{name: (is_surrogate(name), WIDER_MARGINS) for name in surrogate_names(rows)},
        "none": (None, (scoring.margin,)),
    }
    lines = [
        [name, f"{margin:g}", *count_cells(counts)]
        for name, (golds, reference_margins) in references.items()
        for margin in reference_margins
        if (counts := by_kind(rows, scoring.model_copy(update={"margin": margin}), golds=golds))
    ]
    intro = "Each surrogate is one model in place of the three golds. Without any, the only possible decision is `intact`."
    return f"## Surrogate golds\n\n{intro}\n\n" + grid(lines, ("compared with", "margin", *COUNT_HEADERS))


def no_golds(rows: Sequence[Row], scoring: Scoring) -> str:
    """Thresholds that need no golds, each task judged by the threshold of the others."""
    title = "## Without golds\n\n"
    thresholds = list(gold_free_thresholds(rows).items())[:N_THRESHOLDS]
    if not thresholds:
        return title + "Fewer than two tasks have both golds and concealers.\n"
    lines = [
        [name, f"{item.right}/{item.n} [{item.interval.low:.0%}, {item.interval.high:.0%}]", f"{item.threshold:.2f}", f"{item.gap:.2f}"]
        for name, item in thresholds
    ]
    intro = (
        "A threshold on what a model completes, in units of θ's rate, midway between golds and pure concealers of the other tasks.\n"
        "*Right*: golds and concealers on the correct side. *Gap*: smallest concealer minus largest gold over all tasks; below 0 they\n"
        "overlap, and no threshold is right for all.\n\n"
    )
    return title + intro + grid(lines, ("completion", "right", "threshold", "gap"))
