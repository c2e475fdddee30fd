"""A scatter plot with a name at every point: how near a neighbour is to the target, and how much unlearning damaged it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, floor

from markupsafe import Markup

from unconceal.escape import escape_html
from unconceal.leaderboard.probe_tables import HEADLINE_MEASURE
from unconceal.site.svg_charts import BOTTOM, RIGHT, TOP, Point, Scale, axes, linear_scale, padded_range, svg
from unconceal.specs.probe_results import ProbeResults, ProximityRanker
from unconceal.specs.record import Score

WIDTH, HEIGHT, LEFT = 640, 400, 34
LINE_HEIGHT, LABEL_OFFSET = 11.0, 9.0
"""Least vertical distance between two names, and horizontal distance of a name from its point, in pixels."""
COLUMN = 1.0
"""Names of points closer than this in similarity would overlap."""


@dataclass(frozen=True)
class ScatterPoint:
    """One neighbour. ``hollow``: the original model cannot draw it reliably, so it does not count."""

    name: str
    similarity: float
    score: Score
    hollow: bool = False


def damage_points(probe_results: ProbeResults, ranker: ProximityRanker) -> tuple[ScatterPoint, ...]:
    """One point per neighbour whose damage and similarity are known."""
    return tuple(
        ScatterPoint(neighbour.concept, ranker.similarity[neighbour.concept], score, not neighbour.eligible)
        for neighbour in probe_results.neighbours
        if neighbour.concept in ranker.similarity
        and (score := neighbour.damage.get(HEADLINE_MEASURE)) is not None
        and score.value is not None
    )


def scatter_chart(points: Sequence[ScatterPoint], title: str, x_label: str) -> Markup:
    """Similarity (1–10) against damage with names. ``points``: at least one, each with a value."""
    y_range = padded_range([[point.score.value for point in points], (0.0, 0.02)])
    low, high = min(point.similarity for point in points), max(point.similarity for point in points)
    x = linear_scale(low - 0.3, high + 1.5, LEFT, WIDTH - RIGHT)
    y = linear_scale(*y_range, HEIGHT - BOTTOM, TOP)
    parts = [axes(x, y, y_range, x_label, range(ceil(low), floor(high) + 1), WIDTH, HEIGHT, LEFT)]
    levels = label_levels([(point.similarity, y(point.score.value or 0.0)) for point in points])
    parts += [_point(point, level, x, y) for point, level in zip(points, levels, strict=True)]
    return svg(parts, title, HEIGHT, WIDTH)


def label_levels(points: Sequence[Point]) -> list[float]:
    """Vertical pixel of every name, from (similarity, pixel): names that would overlap are moved apart."""
    levels = [level for _, level in points]
    for column in columns([similarity for similarity, _ in points]):
        for index, level in zip(column, spread([levels[index] for index in column], LINE_HEIGHT), strict=True):
            levels[index] = min(max(level, TOP), HEIGHT - BOTTOM)
    return levels


def columns(similarities: Sequence[float]) -> list[list[int]]:
    """Indices of points whose names would overlap: those less than :data:`COLUMN` from the group's first, from left to right."""
    groups: list[list[int]] = []
    for index in sorted(range(len(similarities)), key=lambda i: similarities[i]):
        if groups and similarities[index] - similarities[groups[-1][0]] < COLUMN:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def spread(levels: Sequence[float], step: float) -> list[float]:
    """Levels moved apart by at least ``step``; their order and mean stay the same."""
    order = sorted(range(len(levels)), key=lambda i: levels[i])
    moved = list(levels)
    for lower, upper in pairwise(order):
        moved[upper] = max(moved[upper], moved[lower] + step)
    shift = (sum(moved) - sum(levels)) / len(levels)
    return [level - shift for level in moved]


def _point(point: ScatterPoint, label_level: float, x: Scale, y: Scale) -> str:
    center_x, center_y = x(point.similarity), y(point.score.value or 0.0)
    label_x, css_class = center_x + LABEL_OFFSET, "hollow" if point.hollow else "dot"
    return (
        f'<g><line class="leader" x1="{center_x:.1f}" y1="{center_y:.1f}" x2="{label_x - 2:.1f}" y2="{label_level:.1f}"/>'
        f'<circle class="{css_class}" cx="{center_x:.1f}" cy="{center_y:.1f}" r="3.5"/>'
        f'<text class="name" x="{label_x:.1f}" y="{label_level + 3:.1f}">{escape_html(point.name)}</text></g>'
    )
