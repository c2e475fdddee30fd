"""Pictures of the study, one function each; every one is drawn again by ``unconceal miniature validation``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from unconceal_lab.study.findings import Separation, Verdicts, relearning
from unconceal_lab.study.graded_series import hidden
from unconceal_lab.study.study_rows import Row, by_task

COLOURS = {
    "gold": "#2c7fb8",
    "alone": "#41b6c4",
    "decoupled": "#d95f0e",
    "damaged": "0.55",
    "original": "#222222",
    "unrelated": "#222222",
    "graded": "#8856a7",
    "method": "#31a354",
    "surrogate": "#c2a5cf",
}
"""One colour a kind of model, in all pictures."""


SERIES = {
    "presence": ("shown at ψ = 0", "0.5"),
    "excess.prompt": ("excess, prompt arm", "#d95f0e"),
    "excess.empty": ("excess, empty arm", "#8856a7"),
}


def graded(rows: Sequence[Row]) -> Figure:
    """The graded series: how much of each model's knowledge shows without handover, and after it."""
    tables = by_task(hidden(rows))
    sheet = Figure(figsize=(3.6 * max(len(tables), 1), 3), layout="constrained")
    for axes, (task, series) in zip(np.atleast_1d(sheet.subplots(1, max(len(tables), 1), sharey=True)), tables.items(), strict=False):
        shares = [max(row.share or 0, 1e-4) for row in series]
        for name, (label, colour) in SERIES.items():
            axes.plot(shares, [row.scores.get(name) for row in series], marker="o", markersize=3, color=colour, label=label)
        axes.set(title=task, xlabel="share of the concept's pictures seen", xscale="log")
        axes.set_xticks([1e-4, 1e-3, 1e-2, 1e-1, 1], ["0", ".1 %", "1 %", "10 %", "100 %"])
        axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    sheet.axes[0].legend(frameon=False, fontsize=7)
    return sheet


def against_relearning(rows: Sequence[Row], hiding: Sequence[Row]) -> Figure:
    """The primary column against the time to learn the concept again, a panel for each task; filled: ``hiding``, which look forgotten."""
    tables = by_task([row for row in rows if row.relearning is not None])
    quiet = {(row.task, row.name) for row in hiding}
    across = max(1, ceil(sqrt(len(tables))))
    down = -(-max(len(tables), 1) // across)
    sheet = Figure(figsize=(3 * across + 1, 2.6 * down), layout="constrained")
    panels = np.ravel(np.atleast_1d(sheet.subplots(down, across, sharey=True)))
    for axes in panels[len(tables) :]:
        axes.set_axis_off()
    for axes, (task, of) in zip(panels, tables.items(), strict=False):
        for kind, colour in COLOURS.items():
            known = [(-value, row) for row in of if row.kind == kind and (value := relearning(row)) is not None]
            if known:
                faces = [colour if (row.task, row.name) in quiet else "none" for _, row in known]
                axes.scatter([x for x, _ in known], [row.scores.get("excess") for _, row in known], s=16, c=faces, edgecolors=colour)
                axes.scatter([], [], s=16, color=colour, label=kind)
        axes.axhline(0, color="0.85", linewidth=0.8, zorder=0)
        axes.axvline(1, color="0.85", linewidth=0.8, zorder=0)
        axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
        axes.set_title(task, fontsize=9)
    sheet.supxlabel("time to learn the concept again / something new (hollow: still drawn when asked for)", fontsize=8)
    sheet.supylabel("excess retrieval, larger arm", fontsize=8)
    every = {label: dot for axes in panels for dot, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    sheet.legend(every.values(), every, loc="outside right upper", frameon=False, fontsize=7)
    return sheet


def by_prompts(counts: Mapping[int, Mapping[str, Verdicts]]) -> Figure:
    """Share of right verdicts over the number of prompts, by kind of model; wrong ones dashed."""
    sheet = Figure(figsize=(4.6, 3), layout="constrained")
    axes = sheet.subplots()
    for kind in dict.fromkeys(kind for of in counts.values() for kind in of):
        told = {prompts: of[kind] for prompts, of in counts.items() if kind in of and of[kind].n}
        axes.plot(
            list(told), [one.right / one.n for one in told.values()], marker="o", markersize=3, color=COLOURS[kind], label=f"{kind}: right"
        )
        axes.plot(list(told), [one.wrong / one.n for one in told.values()], linestyle="--", color=COLOURS[kind])
    axes.set(xlabel="prompts", ylabel="share of verdicts (dashed: wrong)", ylim=(-0.03, 1.03))
    axes.legend(frameon=False, fontsize=7)
    return sheet


def differences(found: Sequence[float], margin: float) -> Figure:
    """How far golds lie from each other, with the margin that a verdict allows."""
    sheet = Figure(figsize=(4.6, 2.6), layout="constrained")
    axes = sheet.subplots()
    axes.hist(found, bins=np.linspace(0, max(0.16, max(found, default=0) * 1.05), 25).tolist(), color=COLOURS["gold"])
    axes.axvline(margin, color="#b30000", label=f"margin {margin:g}")
    if len(found):
        axes.axvline(float(np.quantile(found, 0.95)), color="0.3", linestyle=":", label="95th percentile")
    axes.set(xlabel="|excess| of a gold over the others, each arm", ylabel="golds × arms")
    axes.legend(frameon=False, fontsize=8)
    return sheet


def separations(found: Mapping[str, Separation]) -> Figure:
    """How well each metric tells concealers from golds, with intervals."""
    sheet = Figure(figsize=(5.4, 0.3 * len(found) + 0.8), layout="constrained")
    axes = sheet.subplots()
    places = np.arange(len(found))[::-1]
    for place, one in zip(places, found.values(), strict=True):
        axes.plot([one.interval.low, one.interval.high], [place, place], color="0.6")
        axes.plot([one.area], [place], "o", color=COLOURS["decoupled"], markersize=4)
    axes.set_yticks(places, list(found), fontsize=8)
    axes.axvline(0.5, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="area under the curve: concealers from golds", xlim=(0, 1.02))
    return sheet


def save(sheet: Figure, path: Path) -> None:
    """As PNG, the same bytes for the same picture."""
    sheet.savefig(path, dpi=110, metadata={"Software": ""})
