"""The study's key findings, each a sentence with a stable code, computed from its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from unconceal.metrics.statistics import wilson
from unconceal.specs.suite import Scoring
from unconceal_lab.study.findings import (
    METRICS,
    PRIMARY,
    PUBLISHED_METRICS,
    UNDECIDED,
    correlation_difference,
    labelled_truths,
    rank_agreement,
    relearning,
    separation,
    share,
    unseen,
    verdicts,
)
from unconceal_lab.study.gold_free_thresholds import gold_free_thresholds
from unconceal_lab.study.graded_series import decoupled_series, series_and_golds
from unconceal_lab.study.page_tables import SCORED_KINDS, WIDER_MARGINS, by_surrogates, is_surrogate, surrogate_names
from unconceal_lab.study.published_unlearners import effectiveness, retrained_unlearners
from unconceal_lab.study.reread_verdicts import label_of, rows_looking_forgotten
from unconceal_lab.study.seed_spread import training_seed_spread
from unconceal_lab.study.study_rows import Row, by_task

TARGET_RHO = 0.8
"""Rank correlation with relearning that the primary metric should reach."""


class Finding(NamedTuple):
    """A sentence of the page, and its code ``<area>.<finding>``."""

    code: str
    text: str


def key_findings(rows: Sequence[Row], scoring: Scoring) -> str:
    """The first section of the page: the findings under each question."""
    findings = {question: [finding for part in parts for finding in part(rows, scoring)] for question, parts in PARTS.items()}
    sections = [
        f"**{question}**\n\n" + "".join(f"- {finding.text}\n" for finding in group) for question, group in findings.items() if group
    ]
    return "## Key findings\n\n" + "\n".join(sections)


def truths(rows: Sequence[Row], scoring: Scoring) -> Iterator[Finding]:
    """Right and wrong verdicts."""
    scored = [row for row in rows if row.kind in SCORED_KINDS]
    counts, held_out = verdicts(labelled_truths(scored)), sum(row.held_out for row in scored)
    if counts.n:
        low, high = counts.false_rate
        yield Finding(
            "truth.counts",
            f"{counts.n} models have a truth known by construction: {counts.right} verdicts are right, {counts.wrong} wrong "
            f"[{low:.1%}, {high:.1%}] and {counts.undecided} undecided. {held_out} of the models are on held-out tasks.",
        )


def concealment(rows: Sequence[Row], scoring: Scoring) -> Iterator[Finding]:
    """Which metrics separate golds from pure concealers, by the interval of the area under the curve."""
    results = {name: result for name, metric in METRICS.items() if (result := separation(rows, metric))}
    separating = [f"{name} ({result.area:.2f})" for name, result in results.items() if result.interval.low > 0.5]
    labels = {name: f"{name} ({result.area:.2f}, n = {result.golds + result.concealers})" for name, result in results.items()}
    chance = [labels[name] for name, result in results.items() if result.interval.low <= 0.5 <= result.interval.high]
    reversed_order = [labels[name] for name, result in results.items() if result.interval.high < 0.5]
    if separating:
        yield Finding("separation.significant", f"Metrics that separate concealment from forgetting: {listed(separating)}.")
    if chance:
        yield Finding("separation.chance", f"Metrics not significantly different from chance (area .5): {listed(chance)}.")
    if reversed_order:
        yield Finding("separation.reversed", f"Metrics that order golds above concealers: {listed(reversed_order)}.")


def ranking(rows: Sequence[Row], scoring: Scoring) -> Iterator[Finding]:
    """The primary metric's rank correlation with relearning, and the metrics that it significantly exceeds."""
    agreement = rank_agreement(rows, METRICS[PRIMARY], relearning)
    if agreement is None:
        return
    reached = agreement.rho >= TARGET_RHO
    yield Finding(
        "rank.target-reached" if reached else "rank.target-missed",
        f"The primary metric correlates with relearning by ρ = {agreement.rho:.2f} [{agreement.low:.2f}, {agreement.high:.2f}], mean over "
        f"{len(agreement.by_task)} tasks and {agreement.n} models. The target of {TARGET_RHO:g} is {'reached' if reached else 'missed'}.",
    )
    yield from comparisons(rows, "On the same models")


def comparisons(rows: Sequence[Row], scope: str) -> Iterator[Finding]:
    """Published metrics that the primary metric significantly outranks, and the others."""
    results = {
        name: result for name in PUBLISHED_METRICS if (result := correlation_difference(rows, METRICS[PRIMARY], METRICS[name], relearning))
    }
    better = [f"{name} ({result.second:.2f} against {result.first:.2f})" for name, result in results.items() if result.low > 0]
    equal = [f"{name} ({result.second:.2f} against {result.first:.2f})" for name, result in results.items() if result.low <= 0]
    if better:
        yield Finding("rank.better", f"{scope} it ranks significantly better than {listed(better)}.")
    if equal:
        yield Finding("rank.not-better", f"{scope} it does not rank significantly better than {listed(equal)}: the interval contains 0.")


def ranking_forgotten(rows: Sequence[Row], scoring: Scoring) -> Iterator[Finding]:
    """The same for models that look forgotten, which the verdicts are for."""
    forgotten = rows_looking_forgotten(rows, scoring)
    agreement = rank_agreement(forgotten, METRICS[PRIMARY], relearning)
    if agreement is None:
        return
    yield Finding(
        "rank.forgotten",
        f"Among models that look forgotten (P(0) significantly below halfway between golds and θ), ρ of the primary metric with relearning "
        f"is {agreement.rho:.2f} [{agreement.low:.2f}, {agreement.high:.2f}], n = {agreement.n}.",
    )
    yield from comparisons(forgotten, "Among these")


def crs_sign(rows: Sequence[Row], scoring: Scoring) -> Iterator[Finding]:
    """Whether CRS, which takes the absolute value of a cosine, reverses the order."""
    names = ("CRS, as released", "CRS, signed", "CRS, calibrated")
    agreements = {name: agreement for name in names if (agreement := rank_agreement(rows, METRICS[name], unseen))}
    if (released := agreements.get("CRS, as released")) and released.high < 0:
        others = listed([f"{name.removeprefix('CRS, ')} {item.rho:.2f}" for name, item in agreements.items() if item is not released])
        yield Finding(
            "rank.crs-reversed",
            f"CRS as released reverses the order: ρ = {released.rho:.2f} [{released.low:.2f}, {released.high:.2f}] with the share of "
            f"images for unseen wordings, because it ignores the sign of a cosine ({others}).",
        )


def series(rows: Sequence[Row], scoring: Scoring) -> Iterator[Finding]:
    """Whether metrics order models that all look forgotten by the share of images that they saw."""
    series_rows = series_and_golds(rows)
    agreements = {name: result for name in SERIES_METRICS if (result := rank_agreement(series_rows, METRICS[name], share))}
    if not agreements:
        return
    max_presence = max((value for row in series_rows if (value := row.scores.get("presence")) is not None), default=0.0)
    shares = listed([f"{value:.1%}" for value in sorted({row.share or 0 for row in series_rows})])
    rhos = listed([f"{name}: {result.rho:.2f} [{result.low:.2f}, {result.high:.2f}]" for name, result in agreements.items()])
    n, tasks = next((result.n, len(result.by_task)) for result in agreements.values())
    yield Finding(
        "series.ranks",
        f"{n} models on {tasks} tasks look forgotten (presence at ψ = 0 at most {max_presence:.2f}) and saw {shares} of the concept's "
        f"images. ρ with that share: {rhos}.",
    )
    yield from series_verdicts(decoupled_series(rows))


def series_verdicts(graded: Sequence[Row]) -> Iterator[Finding]:
    """Verdicts of the decoupled series by share."""
    forgets, conceals = ([row for row in graded if row.label == label] for label in ("forgets", "conceals"))
    if forgets and conceals:
        largest, smallest = max(row.share or 0 for row in forgets), min(row.share or 0 for row in conceals)
        yield Finding(
            "series.verdicts",
            f"Decoupled models that saw at most {largest:.1%} are labelled *forgets*{relearning_range(forgets)}; those that saw at least "
            f"{smallest:.1%} are labelled *conceals*{relearning_range(conceals)}.",
        )
    undecided = [row for row in graded if row not in (*forgets, *conceals)]
    if undecided and (forgets or conceals):
        names = listed([f"*{row.name}* on {row.task}{relearning_range([row])}" for row in undecided])
        yield Finding("series.undecided", f"Undecided among these: {names}.")


def relearning_range(rows: Sequence[Row]) -> str:
    """Range of the relative relearning time."""
    times = [row.relearning for row in rows if row.relearning is not None]
    if len(times) == 1:
        return f" (relearning {times[0]:.2f})"
    return f" (relearning {min(times):.2f} to {max(times):.2f}, n = {len(times)})" if times else ""


SERIES_METRICS = (PRIMARY, "excess, empty arm", "excess, prompt arm", "presence at ψ = 0")
"""Metrics that every graded model has."""


def unlearners(rows: Sequence[Row], scoring: Scoring) -> Iterator[Finding]:
    """Whether published unlearners do what their papers claim."""
    results = effectiveness(rows, scoring)
    if not results:
        return
    effective = sum(result.forgets and result.retains for result in results.values())
    yield Finding(
        "unlearner.effective",
        f"Of {len(results)} pairs of published unlearner and task, {effective} meet the paper's claim: the concept is no longer shown for "
        "its prompts, retain prompts still show theirs.",
    )
    for code, failed, label in (
        ("unlearner.still-shown", [key for key, result in results.items() if not result.forgets], "The concept is still shown"),
        ("unlearner.retain-loss", [key for key, result in results.items() if not result.retains], "Retain concepts are shown less"),
    ):
        tasks_by_name: dict[str, list[str]] = {}
        for task, name in failed:
            tasks_by_name.setdefault(name, []).append(task.partition("/")[2])
        if tasks_by_name:
            text = "; ".join(f"{name} ({listed(tasks)})" for name, tasks in sorted(tasks_by_name.items()))
            yield Finding(code, f"{label}: {text}.")


def training_seeds(rows: Sequence[Row], scoring: Scoring) -> Iterator[Finding]:
    """Whether another training seed of a published unlearner changes its verdict."""
    retrained, spread = retrained_unlearners(rows), training_seed_spread(rows, "excess")
    if spread is None:
        return
    same = sum(len({row.label for row in trainings}) == 1 for trainings in retrained.values())
    contradicting = [
        f"{name} on {task}" for (task, name), trainings in retrained.items() if {"forgets", "conceals"} <= {row.label for row in trainings}
    ]
    yield Finding(
        "seeds.spread",
        f"Published unlearners trained with several seeds: {same} of {len(retrained)} have the same verdict for all seeds. The standard "
        f"deviation of the excess is {spread.seeds:.2f} over seeds and {spread.models:.2f} over unlearners.",
    )
    if contradicting:
        yield Finding("seeds.contradicting", f"Labelled *forgets* for one seed and *conceals* for another: {listed(contradicting)}.")


def surrogates(rows: Sequence[Row], scoring: Scoring) -> Iterator[Finding]:
    """Agreement of verdicts against one surrogate with those against the exact golds."""
    for name in surrogate_names(rows):
        same, wrong, undecided, n = 0, 0, 0, 0
        for task_rows in by_task(rows).values():
            references = [row for row in task_rows if is_surrogate(name)(row)]
            for row in task_rows if references else ():
                if row.kind in SCORED_KINDS:
                    label = label_of(row, references, scoring)
                    n, same, undecided = n + 1, same + (label == row.label), undecided + (label in UNDECIDED)
                    wrong += label not in UNDECIDED and label != row.truth
        if n:
            low, high = wilson(same, n)
            yield Finding(
                "surrogate.agreement",
                f"Surrogate *{name}* instead of three golds, margin {scoring.margin:g}: {same} of {n} verdicts agree with the exact golds "
                f"[{low:.0%}, {high:.0%}], {undecided} are undecided and {wrong} wrong.",
            )


def safe_margin(rows: Sequence[Row], scoring: Scoring) -> Iterator[Finding]:
    """The margin at which verdicts against a single surrogate are never wrong."""
    counts = {margin: by_surrogates(rows, scoring.model_copy(update={"margin": margin})) for margin in WIDER_MARGINS}
    n, safe = counts[WIDER_MARGINS[0]].n, [margin for margin, count in counts.items() if count.right and not count.wrong]
    if not n:
        return
    if safe:
        best = min(safe, key=lambda margin: counts[margin].undecided)
        low, high = counts[best].false_rate
        yield Finding(
            "surrogate.safe-margin",
            f"Margin {best:g} is safe with a single surrogate: of {n} verdicts (each model once against each surrogate) 0 are wrong "
            f"[{low:.1%}, {high:.1%}] and {counts[best].undecided} undecided.",
        )
    else:
        yield Finding("surrogate.no-safe-margin", f"No margin up to {WIDER_MARGINS[-1]:g} is safe with a single surrogate.")
    wrong = ", ".join(f"{count.wrong} at {margin:g}" for margin, count in counts.items() if count.wrong)
    if wrong:
        yield Finding("surrogate.wrong-by-margin", f"Wrong verdicts among those {n} by margin: {wrong}.")


def threshold(rows: Sequence[Row], scoring: Scoring) -> Iterator[Finding]:
    """Whether a threshold can replace golds."""
    for name, best in list(gold_free_thresholds(rows).items())[:1]:
        if best.right == best.n:
            yield Finding(
                "threshold.safe",
                f"Without golds, {name} above {best.threshold:.2f} of θ's rate separates {best.n} of {best.n} models; the gap between "
                f"golds and concealers is {best.gap:.2f} of θ's rate.",
            )
        else:
            yield Finding(
                "threshold.unsafe",
                f"Without golds no threshold is safe, and none is proposed. The best one, {name}, is wrong for {best.n - best.right} of "
                f"{best.n} models when each task is judged by the threshold of the others; the gap is {best.gap:.2f} of θ's rate.",
            )


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


Part = Callable[[Sequence[Row], Scoring], Iterator[Finding]]
PARTS: Mapping[str, tuple[Part, ...]] = {
    "Are verdicts right?": (truths, concealment),
    "Are ranks right?": (ranking, ranking_forgotten, crs_sign),
    "Models that saw a known share of the concept": (series,),
    "Published unlearners": (unlearners, training_seeds),
    "Without exact golds": (surrogates, safe_margin, threshold),
}
"""By the question that they answer."""
