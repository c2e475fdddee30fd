"""Figures of the validation page, one function each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from unconceal_lab.study.findings import Separation, Verdicts, relearning
from unconceal_lab.study.graded_series import decoupled_series
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
"""One colour per kind of model, in all figures."""


SERIES = {
    "presence": ("presence at ψ = 0", "0.5"),
    "excess.prompt": ("excess, prompt arm", "#d95f0e"),
    "excess.empty": ("excess, empty arm", "#8856a7"),
}


def graded_figure(rows: Sequence[Row]) -> Figure:
    """The graded series: presence without handover and excess after it, by share of images."""
    tables = by_task(decoupled_series(rows))
    figure = Figure(figsize=(3.6 * max(len(tables), 1), 3), layout="constrained")
    for axes, (task, series) in zip(np.atleast_1d(figure.subplots(1, max(len(tables), 1), sharey=True)), tables.items(), strict=False):
        shares = [max(row.share or 0, 1e-4) for row in series]
        for name, (label, colour) in SERIES.items():
            axes.plot(shares, [row.scores.get(name) for row in series], marker="o", markersize=3, color=colour, label=label)
        axes.set(title=task, xlabel="share of the concept's images seen", xscale="log")
        axes.set_xticks([1e-4, 1e-3, 1e-2, 1e-1, 1], ["0", ".1 %", "1 %", "10 %", "100 %"])
        axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    figure.axes[0].legend(frameon=False, fontsize=7)
    return figure


def relearning_figure(rows: Sequence[Row], forgotten: Sequence[Row]) -> Figure:
    """The primary metric against relative relearning time, one panel per task; filled: the models ``forgotten``."""
    tables = by_task([row for row in rows if row.relearning is not None])
    forgotten_keys = {(row.task, row.name) for row in forgotten}
    across = max(1, ceil(sqrt(len(tables))))
    down = -(-max(len(tables), 1) // across)
    figure = Figure(figsize=(3 * across + 1, 2.6 * down), layout="constrained")
    panels = np.ravel(np.atleast_1d(figure.subplots(down, across, sharey=True)))
    for axes in panels[len(tables) :]:
        axes.set_axis_off()
    for axes, (task, task_rows) in zip(panels, tables.items(), strict=False):
        for kind, colour in COLOURS.items():
            points = [(-value, row) for row in task_rows if row.kind == kind and (value := relearning(row)) is not None]
            if points:
                faces = [colour if (row.task, row.name) in forgotten_keys else "none" for _, row in points]
                axes.scatter([x for x, _ in points], [row.scores.get("excess") for _, row in points], s=16, c=faces, edgecolors=colour)
                axes.scatter([], [], s=16, color=colour, label=kind)
        axes.axhline(0, color="0.85", linewidth=0.8, zorder=0)
        axes.axvline(1, color="0.85", linewidth=0.8, zorder=0)
        axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
        axes.set_title(task, fontsize=9)
    figure.supxlabel("relative relearning time (hollow: the concept is still shown when prompted)", fontsize=8)
    figure.supylabel("excess retrieval, larger arm", fontsize=8)
    every = {label: dot for axes in panels for dot, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(every.values(), every, loc="outside right upper", frameon=False, fontsize=7)
    return figure


def prompts_figure(counts: Mapping[int, Mapping[str, Verdicts]]) -> Figure:
    """Share of right (solid) and wrong (dashed) verdicts by number of prompts and kind of model."""
    figure = Figure(figsize=(4.6, 3), layout="constrained")
    axes = figure.subplots()
    for kind in dict.fromkeys(kind for counts_by_kind in counts.values() for kind in counts_by_kind):
        counts_by_prompts = {
            prompts: counts_by_kind[kind] for prompts, counts_by_kind in counts.items() if kind in counts_by_kind and counts_by_kind[kind].n
        }
        axes.plot(
            list(counts_by_prompts),
            [count.right / count.n for count in counts_by_prompts.values()],
            marker="o",
            markersize=3,
            color=COLOURS[kind],
            label=f"{kind}: right",
        )
        axes.plot(
            list(counts_by_prompts), [count.wrong / count.n for count in counts_by_prompts.values()], linestyle="--", color=COLOURS[kind]
        )
    axes.set(xlabel="prompts", ylabel="share of verdicts (dashed: wrong)", ylim=(-0.03, 1.03))
    axes.legend(frameon=False, fontsize=7)
    return figure


def golds_figure(values: Sequence[float], margin: float) -> Figure:
    """Histogram of the differences between golds, with the margin."""
    figure = Figure(figsize=(4.6, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.hist(values, bins=np.linspace(0, max(0.16, max(values, default=0) * 1.05), 25).tolist(), color=COLOURS["gold"])
    axes.axvline(margin, color="#b30000", label=f"margin {margin:g}")
    if len(values):
        axes.axvline(float(np.quantile(values, 0.95)), color="0.3", linestyle=":", label="95th percentile")
    axes.set(xlabel="|excess| of a gold over the others, each arm", ylabel="golds × arms")
    axes.legend(frameon=False, fontsize=8)
    return figure


def separation_figure(separation_by_metric: Mapping[str, Separation]) -> Figure:
    """Area under the curve of each metric with its interval."""
    figure = Figure(figsize=(5.4, 0.3 * len(separation_by_metric) + 0.8), layout="constrained")
    axes = figure.subplots()
    positions = np.arange(len(separation_by_metric))[::-1]
    for position, separation in zip(positions, separation_by_metric.values(), strict=True):
        axes.plot([separation.interval.low, separation.interval.high], [position, position], color="0.6")
        axes.plot([separation.area], [position], "o", color=COLOURS["decoupled"], markersize=4)
    axes.set_yticks(positions, list(separation_by_metric), fontsize=8)
    axes.axvline(0.5, color="0.8", linewidth=0.8, zorder=0)
    axes.set(xlabel="area under the curve: concealers against golds", xlim=(0, 1.02))
    return figure


def save(figure: Figure, path: Path) -> None:
    """Save as PNG with reproducible bytes."""
    figure.savefig(path, dpi=110, metadata={"Software": ""})
