"""The leaderboard's section on probe sets: how well each ranker predicts the damage of neighbours, and which attacks succeed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from unconceal.escape import escape_markdown
from unconceal.leaderboard.markdown_cells import markdown_table
from unconceal.leaderboard.numbers import NO_VALUE, number, with_interval
from unconceal.specs.probe_results import Measure, ProbeResults, RankerKind
from unconceal.specs.record import Record
from unconceal.specs.score import Score
from unconceal.specs.submission import is_control_name

Cells = tuple[str, ...]
HEADLINE_MEASURE: Measure = "clip"
MEASURES: dict[Measure, str] = {"clip": "CLIP similarity", "accuracy": "zero-shot accuracy", "kid": "KID"}
LANGUAGE_MODEL_KINDS: tuple[RankerKind, ...] = ("probe-set", "images")
"""Rankers that rate the similarity of neighbours."""
LEGEND = """\
- **ρ**: Spearman's rank correlation between a ranker's proximity of the neighbours and their damage, with its 95 % confidence interval.
  Positive: nearer concepts are damaged more.
- **Rankers**: the frozen probe sets by name; *clip-text*, the cosine of CLIP text embeddings; *random*, the central 95 % of random orders.
- **Ceiling**: the largest ρ that the noise of the damage allows, from split halves.
- **Damage**: the fall of {measure}; n is the number of neighbours that θ can draw.
- **Attacks**: share of a set's prompts that bring the target back without naming it, among those for which θ shows it; in brackets the
  golds' share. See docs/concepts/probe-sets.md."""


def probe_sections(records_by_task: Mapping[str, Sequence[Record]]) -> list[str]:
    """The section of one suite version as Markdown parts; empty without probe results."""
    tasks = {task: [record for record in records if record.probe_results] for task, records in records_by_task.items()}
    tasks = {task: records for task, records in tasks.items() if records}
    if not tasks:
        return []
    parts = ["### Neighbours and attacks", LEGEND.format(measure=MEASURES[HEADLINE_MEASURE])]
    for task, records in tasks.items():
        parts += [f"#### {task.replace('/', ': ')}", probe_table(records, HEADLINE_MEASURE), *_other_measures(records)]
    return parts


def _other_measures(records: Sequence[Record]) -> list[str]:
    """Collapsed tables of the other measures of damage."""
    tables = [
        f"Damage by {label}:\n\n{probe_table(records, measure, attacks=False)}"
        for measure, label in MEASURES.items()
        if measure != HEADLINE_MEASURE
    ]
    return ["<details><summary>Other measures of damage</summary>", *tables, "</details>"]


def probe_table(records: Sequence[Record], measure: Measure, attacks: bool = True) -> str:
    """One row per submission: n, ρ of each ranker, the ceiling, and each set's attack success rate beside the golds'."""
    headers, rows = probe_cells(records, measure, attacks)
    names = [f"*{escape_markdown(row[0])}*" if is_control_name(row[0]) else escape_markdown(row[0]) for row in rows]
    return markdown_table([[name, *row[1:]] for name, row in zip(names, rows, strict=True)], map(escape_markdown, headers))


def probe_cells(records: Sequence[Record], measure: Measure, attacks: bool) -> tuple[Cells, tuple[Cells, ...]]:
    """Headers and rows of :func:`probe_table` as plain text."""
    rankers = ranker_names(records)
    probe_sets = list(dict.fromkeys(rate.probe_set for record in records for rate in _results(record).attack_rates)) if attacks else []
    headers = ("submission", "n", *(f"ρ {name}" for name in rankers), "ceiling", *(f"attacks {name} (golds)" for name in probe_sets))
    return headers, tuple(_row(record, measure, rankers, probe_sets) for record in sorted(records, key=lambda record: record.submission))


def _row(record: Record, measure: Measure, rankers: Sequence[str], probe_sets: Sequence[str]) -> Cells:
    results = _results(record)
    ceiling = results.ceilings.get(measure)
    n = max((correlation.rho.n for correlation in results.rank_correlations if correlation.measure == measure), default=0)
    rhos = [rho_cell(results, ranker, measure) for ranker in rankers]
    attacked = (attack_cell(results, probes) for probes in probe_sets)
    return (record.submission, str(n), *rhos, number(ceiling.value if ceiling else None), *attacked)


def ranker_names(records: Iterable[Record]) -> list[str]:
    """The rankers of all records, language models first, random last."""
    order = {kind: index for index, kind in enumerate(get_args(RankerKind))}
    kinds = {ranker.name: ranker.kind for record in records for ranker in _results(record).rankers}
    return sorted(kinds, key=lambda name: (order[kinds[name]], name))


def rho_cell(results: ProbeResults, ranker: str, measure: Measure) -> str:
    """`.64 [.30, .84]`; for random order the range alone; a dash without a ρ."""
    rho = results.rho(ranker, measure)
    if rho is not None and any(candidate.name == ranker and candidate.kind == "random" for candidate in results.rankers):
        return NO_VALUE if rho.value is None else f"[{number(rho.low)}, {number(rho.high)}]"
    return with_interval(rho)


def attack_cell(results: ProbeResults, probe_set: str) -> str:
    """`.25 [.07, .59] of 8 (.00)`: the success rate, the number of eligible attacks, and the golds' rate."""
    total = next((rate for rate in results.attack_rates if (rate.probe_set, rate.attribute) == (probe_set, None)), None)
    if total is None or total.rate.value is None:
        return f"{NO_VALUE} (0 eligible)" if total else NO_VALUE
    return f"{with_interval(total.rate)} of {total.rate.n} ({number(gold_value(total.gold))})"


def gold_value(score: Score | None) -> float | None:
    return score.value if score else None


def _results(record: Record) -> ProbeResults:
    assert record.probe_results is not None
    return record.probe_results
