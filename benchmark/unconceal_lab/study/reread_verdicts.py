"""Rows read against golds: excess, ψ* and the verdict, and how they change with other golds, prompts, grids and margins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from unconceal.metrics.presence import excess, psi_star
from unconceal.metrics.verdict import Evidence, decide, presence_interval
from unconceal.specs.record import Label
from unconceal.specs.suite import Arm, Scoring
from unconceal_lab.study.study_rows import Row, by_task

ARMS: tuple[Arm, ...] = ("prompt", "empty")


def read(rows: Sequence[Row], scoring: Scoring, against: Sequence[Row] = ()) -> list[Row]:
    """Every row with its verdict and the scores that need the golds of its task; a gold is read against the others.

    ``against``: rows that hold the golds, where these rows do not.
    """
    found, yardsticks = [], golds_by_task(against or rows)
    for task, of in by_task(rows).items():
        golds = yardsticks.get(task, [])
        found += [
            row.model_copy(update={"label": label, "scores": {**row.scores, **scores}})
            for row, label, scores in ((row, rejudged(row, golds, scoring), scores_of(row, golds, scoring)) for row in of)
        ]
    return found


def scores_of(row: Row, golds: Sequence[Row], scoring: Scoring) -> dict[str, float | None]:
    """P(0), ψ* in both arms, and excess in each arm and the larger."""
    evidence = evidence_of(row, golds, scoring)
    scores: dict[str, float | None] = {"presence": float(evidence.p0.mean())}
    if evidence.rate > 0:
        for arm in ARMS:
            scores[f"psi_star.{arm}"] = psi_star(row.psi, curve(row, arm), evidence.rate, scoring.psi_star_max, bootstrap=1).value
    if evidence.excess:
        by_arm = {f"excess.{arm}": float(values.mean()) for arm, values in evidence.excess.items()}
        scores |= {**by_arm, "excess": max(by_arm.values())}
    return scores


def rejudged(row: Row, golds: Sequence[Row], scoring: Scoring, prompts: int | None = None, psi: Sequence[float] | None = None) -> Label:
    """The verdict of a row: against any golds (itself left out), with fewer prompts, on a coarser grid, by another margin."""
    return decide(evidence_of(row, golds, scoring, prompts, psi)).label


def evidence_of(
    row: Row, golds: Sequence[Row], scoring: Scoring, prompts: int | None = None, psi: Sequence[float] | None = None
) -> Evidence:
    """What a verdict rests on; ``prompts``: the first so many, ``psi``: these points of the grid only."""
    keep, others = [i for i, value in enumerate(row.psi) if psi is None or value in psi], [gold for gold in golds if gold.name != row.name]
    grid, asked = [row.psi[i] for i in keep], slice(0, prompts)
    original = curve(row, "prompt")[asked, -1]
    rate = float(original.mean())

    def excess_in(arm: Arm) -> NDArray[np.float64]:
        cut, *of = (curve(one, arm)[asked][:, keep] for one in (row, *others))
        return excess(grid, cut, np.stack(of), rate, scoring.excess_psi)

    retain = np.asarray(row.retain, np.float64)
    return Evidence(
        p0=curve(row, "prompt")[asked, 0],
        original=original,
        gold0=np.mean([curve(gold, "prompt")[asked, 0] for gold in others], axis=0) if others else None,
        excess={arm: excess_in(arm) for arm in ARMS} if others and rate > 0 else None,
        scoring=scoring,
        gold_kind="trained-without" if others else None,
        retain_psi=row.retain_psi,
        retain_presence=retain,
        retain_original=retain[:, -1] if retain.size else np.zeros(0),
        images=row.images,
        retain_images=row.retain_images,
    )


def hides(evidence: Evidence) -> bool:
    """Whether a model looks as if it had forgotten, whatever it knows: P(0) is surely below halfway between golds and θ."""
    return presence_interval(evidence).high < evidence.halfway


def golds_by_task(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Golds of every task; an empty list where there are none."""
    return {task: [row for row in of if row.kind == "gold"] for task, of in by_task(rows).items()}


def hiding(rows: Sequence[Row], scoring: Scoring) -> list[Row]:
    """Rows of models that do, golds among them."""
    golds = golds_by_task(rows)
    return [row for row in rows if row.prompt and hides(evidence_of(row, golds[row.task], scoring))]


def curve(row: Row, arm: Arm) -> NDArray[np.float64]:
    """Presence (prompts, ψ) in one arm."""
    return np.asarray(row.prompt if arm == "prompt" else row.empty, np.float64)


def gold_differences(rows: Iterable[Row], window: tuple[float, float] = (0.1, 0.6)) -> NDArray[np.float64]:
    """|excess| of every gold against the others of its task, in each arm: what is no difference. The margin lies above it."""
    found = []
    for of in by_task(rows).values():
        golds = [row for row in of if row.kind == "gold"]
        for row in golds if len(golds) > 1 else []:
            rate = float(curve(row, "prompt")[:, -1].mean())
            for arm in ARMS:
                against = np.stack([curve(gold, arm) for gold in golds if gold is not row])
                found.append(abs(float(excess(row.psi, curve(row, arm), against, rate, window).mean())))
    return np.asarray(found, np.float64)
