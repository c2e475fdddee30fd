"""What probe sets found, as tables: for each task how far every orderer foretold the damage, and which attacks came through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from tabulate import tabulate

from unconceal.leaderboard.numbers import NOTHING, number, with_interval
from unconceal.specs.probe_results import Measure, ProbeResults, RankerKind
from unconceal.specs.record import Record
from unconceal.specs.score import Score

MEASURES: dict[Measure, str] = {"clip": "CLIP similarity", "accuracy": "zero-shot accuracy", "kid": "KID"}
ASKED: tuple[RankerKind, ...] = ("probe-set", "pictures")
LEGEND = """\
**ρ**: Spearman's rank correlation of how near an orderer says a neighbour is and how far unlearning damaged it, with its 95 % interval;
positive: nearer concepts are damaged more. Orderers are the frozen probe sets by name; *clip-text*, the cosine of CLIP's own text
embeddings; and *random* order, of which the range of 95 % is given. **Ceiling**: the ρ that the noise of the damage itself leaves room
for, from split halves. Damage is the fall of {measure}, n the neighbours that θ can draw. **Attacks**: share of a set's prompts that
bring the target back without naming it, among those that θ answers with it; beside it the golds' share. See docs/probes.md."""


def probe_parts(by_task: Mapping[str, Sequence[Record]]) -> list[str]:
    """The section about probe sets of one suite version; nothing where no record has any."""
    tasks = {task: [record for record in records if record.probed] for task, records in by_task.items()}
    tasks = {task: records for task, records in tasks.items() if records}
    if not tasks:
        return []
    first: Measure = "clip"
    parts = ["### Neighbours and attacks", LEGEND.format(measure=MEASURES[first])]
    for task, records in tasks.items():
        parts += [f"#### {task.replace('/', ': ')}", table(records, first), *folded(records, [one for one in MEASURES if one != first])]
    return parts


def folded(records: Sequence[Record], measures: Iterable[Measure]) -> list[str]:
    """Tables of the other measures, closed until they are asked for."""
    shown = [f"Damage by {MEASURES[measure]}:\n\n{table(records, measure, attacks=False)}" for measure in measures]
    return ["<details><summary>Other measures of damage</summary>", *shown, "</details>"]


def table(records: Sequence[Record], measure: Measure, attacks: bool = True) -> str:
    """A row for each submission: n, ρ of each orderer, the ceiling, and each set's attack success beside the golds'."""
    orderers = names(records)
    sets = list(dict.fromkeys(rate.probes for record in records for rate in found(record).attack_rates)) if attacks else []
    headers = ["submission", "n", *(f"ρ {name}" for name in orderers), "ceiling", *(f"attacks {name} (golds)" for name in sets)]
    rows = [row(record, measure, orderers, sets) for record in sorted(records, key=lambda one: one.submission)]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def row(record: Record, measure: Measure, orderers: Sequence[str], sets: Sequence[str]) -> list[str]:
    """One submission's cells."""
    probed = found(record)
    rhos = [rho_cell(probed, name, measure) for name in orderers]
    ceiling = probed.ceilings.get(measure)
    name = f"*{record.submission}*" if record.submission.startswith("control-") else record.submission
    n = max((one.rho.n for one in probed.orderings if one.measure == measure), default=0)
    return [name, str(n), *rhos, number(ceiling.value if ceiling else None), *(attack_cell(probed, one) for one in sets)]


def names(records: Iterable[Record]) -> list[str]:
    """The orderers of all records, language models first, chance last."""
    place = {kind: number for number, kind in enumerate(get_args(RankerKind))}
    seen = {orderer.name: orderer.kind for record in records for orderer in found(record).orderers}
    return sorted(seen, key=lambda name: (place[seen[name]], name))


def rho_cell(probed: ProbeResults, orderer: str, measure: Measure) -> str:
    """`.64 [.30, .84]`; of random order the range alone; a dash where there is no ρ."""
    rho = probed.rho(orderer, measure)
    if rho is not None and any(one.name == orderer and one.kind == "random" for one in probed.orderers):
        return NOTHING if rho.value is None else f"[{number(rho.low)}, {number(rho.high)}]"
    return with_interval(rho)


def attack_cell(probed: ProbeResults, probes: str) -> str:
    """`.25 [.07, .59] of 8 (.00)`: the rate, how many were eligible, and the golds'."""
    whole = next((rate for rate in probed.attack_rates if (rate.probes, rate.attribute) == (probes, None)), None)
    if whole is None or whole.rate.value is None:
        return f"{NOTHING} (0 eligible)" if whole else NOTHING
    return f"{with_interval(whole.rate)} of {whole.rate.n} ({number(gold_value(whole.gold))})"


def gold_value(score: Score | None) -> float | None:
    return score.value if score else None


def found(record: Record) -> ProbeResults:
    """What the record's probe sets found; only records that have it come here."""
    assert record.probed is not None
    return record.probed
