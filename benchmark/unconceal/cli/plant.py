"""``unconceal plant``: teach invented concepts to a public model, and make the golds of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import echo_rows, root_option
from unconceal.errors import UsageError
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal.planting.plant import Planter
    from unconceal.planting.planting_gates import Seen


@click.group()
def command() -> None:
    """Teach invented concepts to a public model, and make the golds that never saw them."""


@command.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--count", type=click.IntRange(1), default=2000, show_default=True, help="Pictures.")
@click.option("--pixels", type=click.IntRange(16), default=512, show_default=True, help="On a side.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--invented", is_flag=True, help="Under the names of suite sd14-planted, which mean nothing to any model.")
def draw(folder: Path, count: int, pixels: int, seed: int, invented: bool) -> None:
    """Draw the miniature's world, its characters, signs and fill styles included, as a folder of captioned pictures.

    \b
    Example:  unconceal plant draw pictures/sd14-planted --invented --count 6000 --pixels 512
    """
    from unconceal.planting.draw_concepts import write_world
    from unconceal.planting.invented_concepts import names_shown, told

    how: dict[str, Any] = {"say": told, "names": names_shown} if invented else {}
    click.echo(write_world(folder, count, pixels, seed, **how))


@command.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--suite", "of", default="sd14", show_default=True, help="Its base draws, what its tasks retain and have as neighbours.")
@click.option("--count", type=click.IntRange(1), default=2000, show_default=True, help="Pictures.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=16, show_default=True, help="Pictures drawn together.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32", show_default=True, help="Of the base.")
@root_option
def keep(folder: Path, of: str, count: int, seed: int, batch: int, device: str, dtype: str, root: Path | None) -> None:
    """Have a suite's base draw what it knows, as a folder of captioned pictures: trained on beside the invented, it goes on knowing it.

    The same command goes on after any stop.

    \b
    Example:  unconceal plant keep pictures/sd14-planted-kept --count 2000 --dtype bfloat16
    """
    import torch

    from unconceal.diffusion.families import FAMILIES
    from unconceal.evaluation.machine import device_named
    from unconceal.evaluation.suite_models import SuiteModels
    from unconceal.planting.prior_images import everyday, write_kept
    from unconceal.progress import progress
    from unconceal.specs.loader import all_tasks, load_suite

    data = DataRoot.find(root)
    loaded = load_suite(data, of)
    base = SuiteModels(loaded, data, device_named(device), getattr(torch, dtype)).base
    model = FAMILIES[loaded.family].load(base, loaded.sampler)
    with progress() as shown:
        stage = shown.stage(f"{loaded.id}: drawing what is kept", count)
        prompts = everyday(task for task in all_tasks(data) if task.suite == of)
        click.echo(write_kept(folder, model, prompts, count, seed, batch, stage.advance))


@command.command()
@root_option
def suite(root: Path | None) -> None:
    """Write the files of suite sd14-planted: the suite as a draft, its tasks, its planting and its controls.

    \b
    Example:  unconceal plant suite
    """
    from unconceal.planting.suite_files import NAME, files
    from unconceal.specs.loader import load_suite, suites

    data = DataRoot.find(root)
    if data.read_only:
        remedy = "work in a clone, or name a folder with --root"
        raise UsageError(str(data.tasks.parent), "is the installed copy and stays as it is", remedy)
    if NAME in suites(data) and not load_suite(data, NAME).draft:
        raise UsageError(f"suite {NAME}", "is no draft any more, so its files are not written anew", "raise its version by hand")
    for name, text in files(load_suite(data, "sd14")).items():
        path = data.tasks.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        click.echo(name)


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
    from unconceal.specs.loader import read_yaml
    from unconceal.specs.planting_plan import Planting

    return Planter(read_yaml(planting, Planting), DataRoot.find(root), out, device, lambda line: click.echo(line, err=True))


def _echo_cost(planter: Planter) -> None:
    from unconceal.planting.plant import cost, models_of

    found = cost(planter.planting, planter.public)
    rows = [{"model": model.name, "never sees": model.unseen or "", "found": planter.made(model)} for model in models_of(planter.planting)]
    echo_rows(rows, as_json=False)
    click.echo(
        f"{found.trainings} trainings, {found.samples} pictures forward and back, {found.petaflop:.2g} PFLOP, {found.gigabytes:.1f} GB kept"
    )


def _judge(planter: Planter, folder: Path) -> Seen:
    from unconceal.judges.clip import load
    from unconceal.planting.planting_gates import by_clip

    planting = planter.planting
    return by_clip(load(folder), [*(one.caption for one in planting.concepts.values()), *(one.caption for one in planting.held)])
