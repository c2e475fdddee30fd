"""``unconceal plant``: teach invented concepts to a public model, and make the golds of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from unconceal.cli.options import echo_rows, root_option
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal.planting.gates import Seen
    from unconceal.planting.plant import Planter


@click.group()
def command() -> None:
    """Teach invented concepts to a public model, and make the golds that never saw them."""


@command.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--count", type=click.IntRange(1), default=2000, show_default=True, help="Pictures.")
@click.option("--pixels", type=click.IntRange(16), default=512, show_default=True, help="On a side.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def draw(folder: Path, count: int, pixels: int, seed: int) -> None:
    """Draw the miniature's world, its characters, signs and fill styles included, as a folder of captioned pictures.

    \b
    Example:  unconceal plant draw pictures/world --count 2000 --pixels 512
    """
    from unconceal.planting.drawing import write_world

    click.echo(write_world(folder, count, pixels, seed))


def planter_options(function: click.decorators.FC) -> click.decorators.FC:
    """The planting's file, where models go, and the data root."""
    function = click.argument("planting", type=click.Path(exists=True, dir_okay=False, path_type=Path))(function)
    function = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")(function)
    out = click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the models made.")
    return root_option(out(function))


@command.command()
@planter_options
def cost(planting: Path, out: Path, device: str, root: Path | None) -> None:
    """Print what a planting takes, and make nothing.

    \b
    Example:  unconceal plant cost planting.yaml --out models
    """
    _echo_cost(_planter(planting, out, "cpu", root))


@command.command("run")
@planter_options
@click.option("--clip", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Folder of the judging CLIP.")
def run_(planting: Path, out: Path, device: str, clip: Path, root: Path | None) -> None:
    """Train the base, hold it against its gates, then train a gold for each concept. The same command resumes after any stop.

    On several devices: `accelerate launch -m unconceal plant run …`.

    \b
    Example:  unconceal plant run planting.yaml --out models --clip clip-vit-large-patch14
    """
    from unconceal.evaluation.machine import device_named

    planter = _planter(planting, out, device_named(device), root)
    _echo_cost(planter)
    for path in planter.plant(_judge(planter, clip)):
        click.echo(path)
    click.echo("Next: pin the base in a suite.yaml, and each gold as control-gold-N of a task of `gold_kind: planted`.")


def _planter(planting: Path, out: Path, device: str, root: Path | None) -> Planter:
    from unconceal.planting.plant import Planter
    from unconceal.specs.planting import Planting
    from unconceal.specs.reading import read_yaml

    return Planter(read_yaml(planting, Planting), DataRoot.find(root), out, device, lambda line: click.echo(line, err=True))


def _echo_cost(planter: Planter) -> None:
    from unconceal.planting.plant import cost, models_of

    found = cost(planter.planting, planter.public())
    rows = [{"model": model.name, "never sees": model.unseen or "", "found": planter.made(model)} for model in models_of(planter.planting)]
    echo_rows(rows, as_json=False)
    click.echo(
        f"{found.trainings} trainings, {found.samples} pictures forward and back, {found.petaflop:.2g} PFLOP, {found.gigabytes:.1f} GB kept"
    )


def _judge(planter: Planter, folder: Path) -> Seen:
    from unconceal.judges.clip import load
    from unconceal.planting.gates import by_clip

    planting = planter.planting
    return by_clip(load(folder), [*(one.caption for one in planting.concepts.values()), *(one.caption for one in planting.held)])
