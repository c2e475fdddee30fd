"""What the study says in a few sentences, each worked out from its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from unconceal.metrics.statistics import wilson
from unconceal.specs.suite import Scoring
from unconceal_lab.study.findings import (
    METRICS,
    PRIMARY,
    RIVALS,
    UNDECIDED,
    judged,
    lead,
    rank_agreement,
    relearning,
    separation,
    share,
    unseen,
    verdicts,
)
from unconceal_lab.study.gold_free_thresholds import floors
from unconceal_lab.study.graded_series import hidden, look_forgotten
from unconceal_lab.study.page_tables import SCORED, WIDER_MARGINS, by_surrogates, surrogate_names
from unconceal_lab.study.published_unlearners import trained_again, works
from unconceal_lab.study.reread_verdicts import hiding, rejudged
from unconceal_lab.study.seed_spread import training_spread
from unconceal_lab.study.study_rows import Row, by_task

AIM = 0.8
"""The rank correlation with relearning that the primary column is to reach."""


def in_short(rows: Sequence[Row], scoring: Scoring) -> str:
    """The section that comes first: under each question what is known of it."""
    found = {question: [said for part in parts for said in part(rows, scoring)] for question, parts in PARTS.items()}
    told = [f"**{question}**\n\n" + "".join(f"- {said}\n" for said in of) for question, of in found.items() if of]
    return "## In short\n\n" + "\n".join(told)


def truths(rows: Sequence[Row], scoring: Scoring) -> Iterator[str]:
    """Right and wrong verdicts."""
    scored = [row for row in rows if row.kind in SCORED]
    found, aside = verdicts(judged(scored)), sum(row.held_out for row in scored)
    if found.n:
        low, high = found.false_rate
        yield (
            f"Of {found.n} models whose truth is known by construction {found.right} are right, {found.wrong} wrong "
            f"[{low:.1%}, {high:.1%}], {found.undecided} undecided. {aside} of them are on tasks held out from every choice."
        )


def concealment(rows: Sequence[Row], scoring: Scoring) -> Iterator[str]:
    """Which metrics tell golds from pure concealers, by the interval of the area under the curve."""
    found = {name: one for name, metric in METRICS.items() if (one := separation(rows, metric))}
    surely = [f"{name} ({one.area:.2f})" for name, one in found.items() if one.interval.low > 0.5]
    told = {name: f"{name} ({one.area:.2f}, n = {one.golds + one.concealers})" for name, one in found.items()}
    chance = [told[name] for name, one in found.items() if one.interval.low <= 0.5 <= one.interval.high]
    against = [told[name] for name, one in found.items() if one.interval.high < 0.5]
    if surely:
        yield f"Concealment is told from forgetting by {listed(surely)}."
    if chance:
        yield f"Not, or not surely, by {listed(chance)}: areas under the curve whose interval holds .5, which is chance."
    if against:
        yield f"The wrong way round, golds above concealers, by {listed(against)}."


def ranking(rows: Sequence[Row], scoring: Scoring) -> Iterator[str]:
    """The primary column's rank correlation with relearning, and whose it surely exceeds."""
    own = rank_agreement(rows, METRICS[PRIMARY], relearning)
    if own is None:
        return
    reached = "reached" if own.rho >= AIM else "missed"
    yield (
        f"The primary column and relearning agree by ρ = {own.rho:.2f} [{own.low:.2f}, {own.high:.2f}], mean over "
        f"{len(own.by_task)} tasks and {own.n} models; {AIM:g} is {reached}."
    )
    yield from contested(rows, "On the same models")


def contested(rows: Sequence[Row], where: str) -> Iterator[str]:
    """Which published metrics the primary column surely outranks."""
    found = {name: one for name in RIVALS if (one := lead(rows, METRICS[PRIMARY], METRICS[name], relearning))}
    better = [f"{name} ({one.second:.2f} against {one.first:.2f})" for name, one in found.items() if one.low > 0]
    alike = [f"{name} ({one.second:.2f} against {one.first:.2f})" for name, one in found.items() if one.low <= 0]
    if better:
        yield f"{where} it ranks surely better than {listed(better)}."
    if alike:
        yield f"{where} it cannot be told apart from {listed(alike)}: the difference's interval holds 0."


def beneath(rows: Sequence[Row], scoring: Scoring) -> Iterator[str]:
    """The same of models that look forgotten, which is where it counts."""
    of = hiding(rows, scoring)
    own = rank_agreement(of, METRICS[PRIMARY], relearning)
    if own is None:
        return
    yield (
        f"Of models that look forgotten (P(0) surely below halfway between golds and θ) the primary column's ρ with relearning is "
        f"{own.rho:.2f} [{own.low:.2f}, {own.high:.2f}], n = {own.n}."
    )
    yield from contested(of, "Among these")


def blindness(rows: Sequence[Row], scoring: Scoring) -> Iterator[str]:
    """CRS takes the absolute value of a cosine: whether that costs it its order."""
    found = {name: rank_agreement(rows, METRICS[name], unseen) for name in ("CRS, as released", "CRS, signed", "CRS, calibrated")}
    known = {name: one for name, one in found.items() if one}
    if (blind := known.get("CRS, as released")) and blind.high < 0:
        others = listed([f"{name.removeprefix('CRS, ')} {one.rho:.2f}" for name, one in known.items() if one is not blind])
        yield (
            f"CRS as released ranks the wrong way round: ρ = {blind.rho:.2f} [{blind.low:.2f}, {blind.high:.2f}] with what unseen wordings "
            f"bring out, since it takes a cosine without its sign ({others})."
        )


def series(rows: Sequence[Row], scoring: Scoring) -> Iterator[str]:
    """Whether, of models that all look forgotten, those that saw more of the concept are said to have more of it left."""
    of = look_forgotten(rows)
    found = {name: one for name in SERIES if (one := rank_agreement(of, METRICS[name], share))}
    if not found:
        return
    drawn = max((value for row in of if (value := row.scores.get("presence")) is not None), default=0.0)
    shares = listed([f"{seen:.1%}" for seen in sorted({row.share or 0 for row in of})])
    told = listed([f"{name}: {one.rho:.2f} [{one.low:.2f}, {one.high:.2f}]" for name, one in found.items()])
    n, tasks = next((one.n, len(one.by_task)) for one in found.values())
    yield (
        f"Of {n} models on {tasks} tasks that all look forgotten (presence at ψ = 0 at most {drawn:.2f}) and saw "
        f"{shares} of the concept's pictures, ρ with that share is, by {told}."
    )
    graded = hidden(rows)
    forgot, hid = ([row for row in graded if row.label == label] for label in ("forgets", "conceals"))
    if forgot and hid:
        most, least = max(row.share or 0 for row in forgot), min(row.share or 0 for row in hid)
        yield (
            f"Of these, decoupled models that saw up to {most:.1%} are said to forget{again(forgot)}; those that saw from {least:.1%} on "
            f"are said to conceal{again(hid)}."
        )
    left = [row for row in graded if row not in (*forgot, *hid)]
    if left and (forgot or hid):
        yield f"Of these, nothing is decided of {listed([f'*{row.name}* of {row.task}{again([row])}' for row in left])}."


def again(rows: Sequence[Row]) -> str:
    """How long such models take to learn the concept again, in units of something new."""
    times = [row.relearning for row in rows if row.relearning is not None]
    if len(times) == 1:
        return f" (relearning {times[0]:.2f})"
    return f" (relearning {min(times):.2f} to {max(times):.2f}, n = {len(times)})" if times else ""


SERIES = (PRIMARY, "excess, empty arm", "excess, prompt arm", "presence at ψ = 0")
"""Metrics that are measured of every graded model."""


def unlearners(rows: Sequence[Row], scoring: Scoring) -> Iterator[str]:
    """Whether published unlearners do their work."""
    found = works(rows, scoring)
    if not found:
        return
    done = sum(work.hides and work.spares for work in found.values())
    yield (
        f"Of {len(found)} pairs of a published unlearner and a task {done} do the paper's work: the concept is no longer drawn when asked "
        "for, others still are."
    )
    for left, told in (
        ([key for key, work in found.items() if not work.hides], "The concept is still drawn when asked for"),
        ([key for key, work in found.items() if not work.spares], "Others are drawn less"),
    ):
        on: dict[str, list[str]] = {}
        for task, name in left:
            on.setdefault(name, []).append(task.partition("/")[2])
        if on:
            yield f"{told}: {'; '.join(f'{name} ({listed(tasks)})' for name, tasks in sorted(on.items()))}."


def seeds(rows: Sequence[Row], scoring: Scoring) -> Iterator[str]:
    """Whether another training seed of a published unlearner changes what is said of it."""
    found, apart = trained_again(rows), training_spread(rows, "excess")
    if apart is None:
        return
    same = sum(len({row.label for row in of}) == 1 for of in found.values())
    turned = [f"{name} on {task}" for (task, name), of in found.items() if {"forgets", "conceals"} <= {row.label for row in of}]
    yield (
        f"Published unlearners trained with several seeds: {same} of {len(found)} have one verdict each time; the excess's standard "
        f"deviation over seeds is {apart.seeds:.2f}, over unlearners {apart.models:.2f}."
    )
    if turned:
        yield f"Of one seed that it forgets, of another that it conceals, is said of {listed(turned)}."


def surrogates(rows: Sequence[Row], scoring: Scoring) -> Iterator[str]:
    """How often a verdict read against one surrogate is the exact golds'."""
    for name in surrogate_names(rows):
        same, wrong, undecided, n = 0, 0, 0, 0
        for of in by_task(rows).values():
            for row in of if any(row.name == name for row in of) else ():
                if row.kind in SCORED:
                    label = rejudged(row, [one for one in of if one.name == name], scoring)
                    open_one = label in UNDECIDED
                    n, same, undecided = n + 1, same + (label == row.label), undecided + open_one
                    wrong += not open_one and label != row.truth
        if n:
            low, high = wilson(same, n)
            yield (
                f"Surrogate *{name}* instead of three golds, margin {scoring.margin:g}: {same} of {n} verdicts are the exact golds' "
                f"[{low:.0%}, {high:.0%}], {undecided} are left open, {wrong} wrong."
            )


def safe_margin(rows: Sequence[Row], scoring: Scoring) -> Iterator[str]:
    """The margin at which a single surrogate in place of golds says nothing wrong."""
    found = {margin: by_surrogates(rows, scoring.model_copy(update={"margin": margin})) for margin in WIDER_MARGINS}
    n, safe = found[WIDER_MARGINS[0]].n, [margin for margin, one in found.items() if one.right and not one.wrong]
    if not n:
        return
    if safe:
        best = min(safe, key=lambda margin: found[margin].undecided)
        low, high = found[best].false_rate
        yield (
            f"Margin {best:g} makes a single surrogate safe: of {n} verdicts read against one, the same model's once against each, 0 are "
            f"wrong [{low:.1%}, {high:.1%}] and {found[best].undecided} open."
        )
    else:
        yield f"No margin up to {WIDER_MARGINS[-1]:g} makes a single surrogate safe."
    wrong = ", ".join(f"{one.wrong} at {margin:g}" for margin, one in found.items() if one.wrong)
    if wrong:
        yield f"Wrong verdicts among those {n}: {wrong}."


def floor(rows: Sequence[Row], scoring: Scoring) -> Iterator[str]:
    """Whether a threshold can do without any gold."""
    for name, best in list(floors(rows).items())[:1]:
        if best.right == best.n:
            yield (
                f"Without any gold: {name} above {best.threshold:.2f} of θ's rate tells {best.n} of {best.n} models apart; "
                f"{best.gap:.2f} of θ's rate lie between concealers and golds."
            )
        else:
            yield (
                f"Without any gold no threshold is safe, and none is proposed: the best of those tried, {name}, is wrong for "
                f"{best.n - best.right} of {best.n} models when each task is judged by the others' threshold; {best.gap:.2f} of θ's rate "
                "lie between concealers and golds."
            )


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


Part = Callable[[Sequence[Row], Scoring], Iterator[str]]
PARTS: Mapping[str, tuple[Part, ...]] = {
    "Are verdicts right?": (truths, concealment),
    "Are ranks right?": (ranking, beneath, blindness),
    "Models of which the share is known that they saw": (series,),
    "Published unlearners": (unlearners, seeds),
    "Without exact golds": (surrogates, safe_margin, floor),
}
"""By the question that they answer."""
