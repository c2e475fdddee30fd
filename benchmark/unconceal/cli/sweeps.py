"""``unconceal run --sweep``: one record, a table and a heat map for each submission and task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import echo_rows
from unconceal.leaderboard.numbers import with_interval
from unconceal.specs.sweep import Sweep, SweepCell, sweep_path

if TYPE_CHECKING:
    from unconceal.evaluation.evaluation import Evaluation
    from unconceal.specs.submission import Submission
    from unconceal.specs.task import Task


def sweep_all(evaluation: Evaluation, pairs: Sequence[tuple[Task, Submission]], sweep_options: Sequence[str]) -> None:
    """Measure, print, draw."""
    from unconceal.evaluation.heat_map import draw_heat_map
    from unconceal.evaluation.run_sweep import read_axes
    from unconceal.execution.scheduler import schedule_sweeps

    axes = read_axes(sweep_options)
    for task, submission in pairs:
        (sweep,) = schedule_sweeps(evaluation, [(task, submission)], axes)
        path = sweep_path(evaluation.root.results, evaluation.suite.id, task.id, submission.name, evaluation.tier_name)
        draw_heat_map(sweep, path.with_suffix(".png"))
        click.echo(f"{submission.name} on {task.id} ({evaluation.tier_name})")
        echo_rows([row(cell) for cell in sweep.cells], as_json=False)
        click.echo(f"{telling(sweep)}\n  {path}\n  {path.with_suffix('.png')}")


def row(cell: SweepCell) -> dict[str, Any]:
    """One configuration."""
    scores = {"P(0)": cell.presence, "original": cell.original}
    scores |= {f"{'excess' if cell.excess else 'retrieval'}, {arm} arm": score for arm, score in (cell.excess or cell.retrieval).items()}
    return {**cell.sampler, **{name: with_interval(score) for name, score in scores.items()}}


def telling(sweep: Sweep) -> str:
    """Which configuration retrieves most, in a line."""
    most = sweep.strongest_cell
    settings = ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in most.sampler.items())
    return f"most is retrieved with {settings}: {'excess' if most.excess else 'presence'} {most.max_retrieval:.2f}"
