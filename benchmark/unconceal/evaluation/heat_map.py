"""A sweep as a heat map: how much each configuration retrieves."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from unconceal.specs.sweep import Sweep


def draw_heat_map(sweep: Sweep, path: Path) -> None:
    """Draw the first axis as rows and the other axes, joined, as columns; the largest value is framed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Rectangle

    row_axis, *column_axes = sweep.axes
    rows = [str(value) for value in sweep.axes[row_axis]]
    columns = list(dict.fromkeys(_column_label(cell.sampler, column_axes) for cell in sweep.cells))
    values = np.full((len(rows), len(columns)), np.nan)
    for cell in sweep.cells:
        values[rows.index(str(cell.sampler[row_axis])), columns.index(_column_label(cell.sampler, column_axes))] = cell.max_retrieval
    figure, axes = pyplot.subplots(figsize=(2.2 + 0.9 * len(columns), 1.6 + 0.55 * len(rows)), layout="constrained")
    low, high = min(0.0, float(np.nanmin(values))), max(1.0, float(np.nanmax(values)))
    image = axes.imshow(values, cmap="viridis", vmin=low, vmax=high, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color="white" if value < 0.6 else "black")
    largest = np.unravel_index(int(np.nanargmax(values)), values.shape)
    axes.add_patch(Rectangle((float(largest[1]) - 0.5, float(largest[0]) - 0.5), 1, 1, fill=False, edgecolor="red", linewidth=2))
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_ylabel(row_axis)
    axes.set_xlabel(", ".join(column_axes))
    axes.set_title(f"{sweep.submission} on {sweep.task}: retrieval", fontsize=10)
    figure.colorbar(image, label="excess" if sweep.cells[0].excess else "presence")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, metadata={"Software": None})
    pyplot.close(figure)


def _column_label(sampler: dict[str, float | str], names: list[str]) -> str:
    return ", ".join(f"{sampler[name]:g}" if isinstance(sampler[name], float) else str(sampler[name]) for name in names)
