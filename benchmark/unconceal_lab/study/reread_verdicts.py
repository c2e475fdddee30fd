"""Verdict, excess and ψ* of rows against golds, and how they change with other golds, prompts, grids and margins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from unconceal.metrics.presence import excess_retrieval, psi_star
from unconceal.metrics.verdict import Evidence, RetainedRates, decide, presence_interval
from unconceal.specs.record import Label
from unconceal.specs.suite import DECIDING_ARMS, Arm, Scoring
from unconceal_lab.study.study_rows import Row, by_task


def with_verdicts(rows: Sequence[Row], scoring: Scoring, gold_rows: Sequence[Row] = ()) -> list[Row]:
    """Every row with its verdict and the scores that need golds; a gold is compared with the other golds.

    Args:
        rows: Rows of any tasks.
        scoring: The suite's rules.
        gold_rows: Rows that hold the golds; by default ``rows``.
    """
    results, task_golds = [], golds_by_task(gold_rows or rows)
    for task, task_rows in by_task(rows).items():
        golds = task_golds.get(task, [])
        for row in task_rows:
            scores = {**row.scores, **gold_scores(row, golds, scoring)}
            results.append(row.model_copy(update={"label": label_of(row, golds, scoring), "scores": scores}))
    return results


def gold_scores(row: Row, golds: Sequence[Row], scoring: Scoring) -> dict[str, float | None]:
    """P(0), ψ* in both arms, and excess in each arm and the larger of them."""
    evidence = evidence_of(row, golds, scoring)
    scores: dict[str, float | None] = {"presence": float(evidence.p0.mean())}
    if evidence.original_rate > 0:
        for arm in DECIDING_ARMS:
            scores[f"psi_star.{arm}"] = psi_star(
                row.psi, curve(row, arm), evidence.original_rate, scoring.max_psi_star, n_resamples=1
            ).value
    if evidence.excess:
        by_arm = {f"excess.{arm}": float(values.mean()) for arm, values in evidence.excess.items()}
        scores |= {**by_arm, "excess": max(by_arm.values())}
    return scores


def label_of(row: Row, golds: Sequence[Row], scoring: Scoring, prompts: int | None = None, psi: Sequence[float] | None = None) -> Label:
    """The verdict's label against any golds (the row itself excluded); arguments as in :func:`evidence_of`.

    Rows hold the handover alone, so a model that is like a gold under it is *not retrieved*; the study calls that *forgets*.
    """
    label = decide(evidence_of(row, golds, scoring, prompts, psi)).label
    return "forgets" if label == "not retrieved" else label


def evidence_of(
    row: Row, golds: Sequence[Row], scoring: Scoring, prompts: int | None = None, psi: Sequence[float] | None = None
) -> Evidence:
    """The evidence of a verdict.

    Args:
        row: The row to judge.
        golds: Rows to compare it with; a row of the same name is excluded.
        scoring: The suite's rules.
        prompts: Use only the first so many prompts.
        psi: Use only these points of the grid.
    """
    columns, references = [i for i, value in enumerate(row.psi) if psi is None or value in psi], [g for g in golds if g.name != row.name]
    grid, prompt_slice = [row.psi[i] for i in columns], slice(0, prompts)
    original = curve(row, "prompt")[prompt_slice, -1]
    original_rate = float(original.mean())

    def excess_in(arm: Arm) -> NDArray[np.float64]:
        presence, *gold_presence = (curve(source, arm)[prompt_slice][:, columns] for source in (row, *references))
        return excess_retrieval(grid, presence, np.stack(gold_presence), original_rate, scoring.excess_psi)

    retain = np.asarray(row.retain, np.float64)
    retained = RetainedRates(row.retain_psi, retain, np.broadcast_to(retain[..., -1:], retain.shape))
    return Evidence(
        p0=curve(row, "prompt")[prompt_slice, 0],
        original=original,
        gold_p0=np.mean([curve(gold, "prompt")[prompt_slice, 0] for gold in references], axis=0) if references else None,
        excess={arm: excess_in(arm) for arm in DECIDING_ARMS} if references and original_rate > 0 else None,
        scoring=scoring,
        gold_kind="trained-without" if references else None,
        retained={"prompt": retained} if retain.size else {},
        evaluation_seeds=row.images,
        retain_seeds=row.retain_images,
    )


def looks_forgotten(evidence: Evidence) -> bool:
    """Whether P(0) is significantly below halfway between golds and θ, whatever the model still knows."""
    return presence_interval(evidence).high < evidence.halfway


def golds_by_task(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Golds of every task; an empty list for tasks without."""
    return {task: [row for row in task_rows if row.kind == "gold"] for task, task_rows in by_task(rows).items()}


def rows_looking_forgotten(rows: Sequence[Row], scoring: Scoring) -> list[Row]:
    """Rows of models that look forgotten, golds among them."""
    golds = golds_by_task(rows)
    return [row for row in rows if row.prompt and looks_forgotten(evidence_of(row, golds[row.task], scoring))]


def curve(row: Row, arm: Arm) -> NDArray[np.float64]:
    """Presence (prompts, ψ) in one arm, [0, 1]."""
    return np.asarray(row.prompt if arm == "prompt" else row.empty, np.float64)


def gold_differences(rows: Iterable[Row], window: tuple[float, float] = (0.1, 0.6)) -> NDArray[np.float64]:
    """|excess| (golds × arms,) of every gold over the others of its task: the noise that the margin has to exceed."""
    differences = []
    for task_rows in by_task(rows).values():
        golds = [row for row in task_rows if row.kind == "gold"]
        for row in golds if len(golds) > 1 else []:
            original_rate = float(curve(row, "prompt")[:, -1].mean())
            for arm in DECIDING_ARMS:
                others = np.stack([curve(gold, arm) for gold in golds if gold is not row])
                differences.append(abs(float(excess_retrieval(row.psi, curve(row, arm), others, original_rate, window).mean())))
    return np.asarray(differences, np.float64)
