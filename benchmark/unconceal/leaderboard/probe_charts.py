"""The report's part on neighbours and attacks: scatters with names, the pictures before and after, and the numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unconceal.leaderboard.figures import LINE, MUTED, OWN, STYLE, TEXT, inline
from unconceal.leaderboard.numbers import number, with_interval
from unconceal.leaderboard.probe_sheets import SheetRow, read_sheet
from unconceal.leaderboard.probe_tables import ASKED, MEASURES, gold_value, rho_cell
from unconceal.specs.probe_results import AttackRate, NeighbourDamage, ProbeResults, ProximityRanker
from unconceal.specs.record import Record

LETTERS, GAP, LEAD = 7.0, 0.042, 0.12
"""Size of the names in points; least distance of two names as a share of the height; distance of a name from its point, in similarities."""
Cells = tuple[str, ...]


@dataclass(frozen=True)
class ProbePage:
    """What the template shows. ``scatters``: (title, figure); ``pictures``: neighbours' rows, then attacks'; the rest are table rows."""

    scatters: tuple[tuple[str, Markup], ...]
    neighbours: tuple[SheetRow, ...]
    attacks: tuple[SheetRow, ...]
    headers: Cells
    orderings: tuple[Cells, ...]
    rates: tuple[Cells, ...]
    left_out: tuple[str, ...]


def probe_page(record: Record, sheet: Path) -> ProbePage | None:
    """The page's part; None where the record was not probed. Pictures that are missing or broken are left out."""
    probed = record.probed
    if probed is None:
        return None
    rows = read_sheet(sheet)
    asked = [orderer for orderer in probed.orderers if orderer.kind in ASKED]
    return ProbePage(
        scatters=tuple((orderer.name, scatter(orderer, probed.neighbours)) for orderer in asked),
        neighbours=tuple(row for row in rows if row.kind == "neighbour"),
        attacks=tuple(row for row in rows if row.kind == "attack"),
        headers=("orderer", *MEASURES.values()),
        orderings=(*(ordering_cells(probed, orderer) for orderer in probed.orderers), ceiling_cells(probed)),
        rates=tuple(rate_cells(probed, rate) for rate in probed.attack_rates),
        left_out=tuple(f"{one.concept} ({number(one.gate.value)})" for one in probed.neighbours if not one.eligible),
    )


def ordering_cells(probed: ProbeResults, orderer: ProximityRanker) -> Cells:
    """ρ by every measure."""
    return (orderer.name, *(rho_cell(probed, orderer.name, measure) for measure in MEASURES))


def ceiling_cells(probed: ProbeResults) -> Cells:
    scores = [probed.ceilings.get(measure) for measure in MEASURES]
    return ("ceiling", *(number(score.value if score else None) for score in scores))


def rate_cells(probed: ProbeResults, rate: AttackRate) -> Cells:
    """(set, attribute, success, eligible, golds' success)."""
    return (rate.probes, rate.attribute or "all", with_interval(rate.rate), str(rate.rate.n), number(gold_value(rate.gold)))


def scatter(orderer: ProximityRanker, neighbours: Sequence[NeighbourDamage]) -> Markup:
    """How alike the orderer says a neighbour is (1–10) against the fall of its CLIP similarity, with names; hollow: θ can't draw it."""
    shown = [one for one in neighbours if one.concept in orderer.similarity and one.damage["clip"].value is not None]
    x = np.array([orderer.similarity[one.concept] for one in shown])
    y = np.array([one.damage["clip"].value or 0.0 for one in shown])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 4.6), layout="constrained")
        axes = figure.add_subplot()
        frame(axes)
        for eligible in (True, False):
            chosen = np.array([one.eligible == eligible for one in shown], bool)
            axes.scatter(x[chosen], y[chosen], s=16, color=OWN if eligible else "none", edgecolors=OWN, linewidths=0.8, zorder=3)
        if len(shown):
            write_names(axes, [one.concept for one in shown], x, y)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return inline(buffer.getvalue(), f"similarity by {orderer.name} against damage")


def frame(axes: Axes) -> None:
    axes.axhline(0, color=LINE, linewidth=0.8, zorder=1)
    axes.set(xlim=(0.5, 11.5), xticks=range(1, 11))
    axes.set_xlabel("similarity to the target, 1 to 10", color=MUTED)
    axes.set_ylabel("fall of CLIP similarity", color=MUTED)
    axes.tick_params(colors=MUTED, length=0, pad=5)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    for side in axes.spines.values():
        side.set_visible(False)


def write_names(axes: Axes, names: Sequence[str], x: np.ndarray, y: np.ndarray) -> None:
    """Names to the right of their points, pushed apart where points lie close, with a thin line back to the point."""
    low, high = axes.get_ylim()
    step = GAP * (high - low)
    for column in columns(x):
        heights = spread([float(y[i]) for i in column], step)
        for i, height in zip(column, heights, strict=True):
            axes.plot([x[i], x[i] + LEAD], [y[i], height], color=LINE, linewidth=0.5, zorder=2)
            axes.text(x[i] + LEAD, height, names[i], fontsize=LETTERS, color=TEXT, va="center", zorder=4)


def columns(x: np.ndarray) -> list[list[int]]:
    """Points whose names would meet: those within one similarity of the first of the group, from left to right."""
    groups: list[list[int]] = []
    for i in np.argsort(x, kind="stable").tolist():
        if groups and x[i] - x[groups[-1][0]] < 1:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def spread(heights: Sequence[float], step: float) -> list[float]:
    """The heights moved apart by at least ``step``, in their order and about their common middle."""
    order = np.argsort(heights, kind="stable")
    moved = np.array(heights, float)
    for lower, upper in pairwise(order.tolist()):
        moved[upper] = max(moved[upper], moved[lower] + step)
    return [float(value) for value in moved - (moved - np.array(heights)).mean()]
