"""Curves over ψ as inline SVG that takes its colours and letters from the page."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unconceal.specs.record import Curve

INK = {"#010101": "--ink", "#020202": "--muted", "#030303": "--line", "#040404": "--shade"}
ROLES = {"#0a0a01": "--own", "#0a0a02": "--gold", "#0a0a03": "--original"}
OWN, GOLD, ORIGINAL = ROLES
TEXT, MUTED, LINE, SHADE = INK
STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "unconceal", "font.size": 9.0}
TICKS = (0, 0.25, 0.5, 0.75, 1)


@dataclass(frozen=True)
class Lines:
    """One curve of the submission and the controls' curves of the same name."""

    own: Curve
    golds: tuple[Curve, ...] = ()
    original: Curve | None = None

    @property
    def comparable(self) -> tuple[Curve, ...]:
        """Golds measured at the same ψ."""
        return tuple(gold for gold in self.golds if gold.psi == self.own.psi)

    @property
    def every(self) -> tuple[Curve, ...]:
        return (self.own, *self.comparable, *((self.original,) if self.original else ()))


def chart(lines: Lines, label: str, limits: tuple[float, float], window: tuple[float, float] | None = None) -> Markup:
    """An SVG of the submission with its interval band, the golds' mean and range, and the original. `label`: for screen readers."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 2.7), layout="constrained")
        axes = figure.add_subplot()
        _frame(axes, limits, window)
        _controls(axes, lines)
        _own(axes, lines.own)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return inline(buffer.getvalue(), label)


def limits_of(curves: Sequence[Curve], at_least: tuple[float, float] | None = None) -> tuple[float, float]:
    """Common limits of the vertical axis: all values and `at_least`, with a little air."""
    values = [value for curve in curves for value in (*curve.value, *curve.low, *curve.high) if value is not None]
    values += list(at_least or ())
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    air = 0.05 * (high - low) or 0.05
    return low - air, high + air


def floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    """(ψ,) values with NaN where there is none: the line has a gap there."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _frame(axes: Axes, limits: tuple[float, float], window: tuple[float, float] | None) -> None:
    if window:
        axes.axvspan(*window, color=SHADE, linewidth=0, zorder=0)
    if limits[0] < 0 < limits[1]:
        axes.axhline(0, color=LINE, linewidth=0.8, zorder=1)
    axes.set(xlim=(-0.02, 1.02), ylim=limits, xticks=TICKS, xticklabels=[f"{tick:g}" for tick in TICKS])
    axes.set_xlabel("ψ", color=MUTED)
    axes.tick_params(colors=MUTED, length=0, pad=5)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    for side in axes.spines.values():
        side.set_visible(False)


def _controls(axes: Axes, lines: Lines) -> None:
    if lines.original:
        axes.plot(lines.original.psi, floats(lines.original.value), color=ORIGINAL, linewidth=1.3, linestyle=(0, (4, 2)), zorder=2)
    if golds := [floats(gold.value) for gold in lines.comparable]:
        stack = np.ma.masked_invalid(np.stack(golds))
        low, high = stack.min(0).filled(np.nan), stack.max(0).filled(np.nan)
        axes.fill_between(lines.own.psi, low, high, color=GOLD, alpha=0.25, linewidth=0, zorder=3)
        axes.plot(lines.own.psi, stack.mean(0).filled(np.nan), color=GOLD, linewidth=1.5, zorder=4)


def _own(axes: Axes, own: Curve) -> None:
    axes.fill_between(own.psi, floats(own.low), floats(own.high), color=OWN, alpha=0.18, linewidth=0, zorder=5)
    axes.plot(own.psi, floats(own.value), color=OWN, linewidth=1.9, marker="o", markersize=3, zorder=6)


def inline(svg: str, label: str) -> Markup:
    """An SVG document as an element of the page: no XML head, no ids that could meet another figure's, the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = svg.replace('<g id="', '<g data-part="')
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    for colour, name in (INK | ROLES).items():
        svg = svg.replace(colour, f"var({name})")
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1))
