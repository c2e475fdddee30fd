"""``unconceal plant``: train invented concepts into a public model, and train golds without them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import echo_rows, root_option
from unconceal.errors import UsageError
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal.planting.plant import Planter
    from unconceal.planting.planting_gates import ConceptDetector


@click.group()
def command() -> None:
    """Train invented concepts into a public model, and train golds without them.

    \b
    Example:  unconceal plant cost tasks/sd14-planted/planting.yaml --out models/sd14-planted
    """


@command.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--count", type=click.IntRange(1), default=2000, show_default=True, help="Number of images.")
@click.option("--size", type=click.IntRange(16), default=512, show_default=True, help="Width and height in pixels.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Image i depends on seed and i only.")
@click.option("--invented", is_flag=True, help="Caption concepts with the invented names of suite sd14-planted.")
def render(folder: Path, count: int, size: int, seed: int, invented: bool) -> None:
    """Render captioned images of the miniature's characters, signs, shapes and fill styles.

    \b
    Example:  unconceal plant render images/sd14-planted --invented --count 6000 --size 512
    """
    from unconceal.planting.draw_concepts import write_images
    from unconceal.planting.invented_concepts import concept_names, invented_caption

    options: dict[str, Any] = {"caption": invented_caption, "concept_names": concept_names} if invented else {}
    click.echo(write_images(folder, count, size, seed, **options))


@command.command("prior-images")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--suite", "suite_name", default="sd14", show_default=True, help="Suite whose base and prompts are used.")
@click.option("--count", type=click.IntRange(1), default=2000, show_default=True, help="Number of images.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Image i depends on seed and i only.")
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True, help="Images generated together.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32", show_default=True, help="Precision of the base."
)
@root_option
def prior_images(folder: Path, suite_name: str, count: int, seed: int, batch_size: int, device: str, dtype: str, root: Path | None) -> None:
    """Generate prior-preservation images from the base model of a suite.

    Prompts are those of the suite's retained and neighbour concepts. The same command resumes.

    \b
    Example:  unconceal plant prior-images images/sd14-planted-kept --count 2000 --dtype bfloat16
    """
    import torch

    from unconceal.diffusion.families import FAMILIES
    from unconceal.evaluation.environment import resolve_device
    from unconceal.evaluation.suite_models import SuiteModels
    from unconceal.planting.prior_images import prior_prompts, write_prior_images
    from unconceal.progress import progress
    from unconceal.specs.loader import all_tasks, load_suite

    data = DataRoot.find(root)
    suite = load_suite(data, suite_name)
    base = SuiteModels(suite, data, resolve_device(device), getattr(torch, dtype)).base
    model = FAMILIES[suite.family].load(base, suite.sampler)
    with progress() as bars:
        stage = bars.stage(f"{suite.id}: prior-preservation images", count)
        prompts = prior_prompts(task for task in all_tasks(data) if task.suite == suite_name)
        click.echo(write_prior_images(folder, model, prompts, count, seed, batch_size, stage.advance))


@command.command()
@root_option
def suite(root: Path | None) -> None:
    """Write the files of suite sd14-planted: the suite as a draft, its tasks, its planting and its controls.

    \b
    Example:  unconceal plant suite
    """
    from unconceal.planting.suite_files import NAME, suite_files
    from unconceal.specs.loader import load_suite, suite_names

    data = DataRoot.find(root)
    if data.read_only:
        remedy = "work in a clone, or name a folder with --root"
        raise UsageError("plant.read-only", str(data.tasks.parent), "is the installed copy, which is read-only", remedy)
    if NAME in suite_names(data) and not load_suite(data, NAME).draft:
        raise UsageError("plant.not-draft", f"suite {NAME}", "is no draft, so its files stay as they are", "raise its version by hand")
    for name, text in suite_files(load_suite(data, "sd14")).items():
        path = data.tasks.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        click.echo(name)


def planter_options(function: click.decorators.FC) -> click.decorators.FC:
    """Options for the planting's file, the output folder and the data root."""
    function = click.argument("planting", type=click.Path(exists=True, dir_okay=False, path_type=Path))(function)
    function = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")(function)
    out = click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the models.")
    return root_option(out(function))


@command.command()
@planter_options
def cost(planting: Path, out: Path, device: str, root: Path | None) -> None:
    """Print the compute cost of a planting without training anything.

    \b
    Example:  unconceal plant cost tasks/sd14-planted/planting.yaml --out models/sd14-planted
    """
    _echo_cost(_planter(planting, out, "cpu", root))


@command.command("run")
@planter_options
@click.option(
    "--clip", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="Folder of the CLIP that checks the gates."
)
def run_(planting: Path, out: Path, device: str, clip: Path, root: Path | None) -> None:
    """Train the base, check its quality gates, then train a gold for each concept. The same command resumes.

    On several devices: `accelerate launch -m unconceal plant run …`.

    \b
    Example:  unconceal plant run tasks/sd14-planted/planting.yaml --out models/sd14-planted --clip clip-vit-large-patch14
    """
    from unconceal.evaluation.environment import resolve_device

    planter = _planter(planting, out, resolve_device(device), root)
    _echo_cost(planter)
    for path in planter.run(_judge(planter, clip)):
        click.echo(path)
    click.echo("Next: pin the base in a suite.yaml, and each gold as control-gold-N of a task of `gold_kind: planted`.")


def _planter(planting: Path, out: Path, device: str, root: Path | None) -> Planter:
    from unconceal.planting.plant import Planter
    from unconceal.specs.loader import read_yaml
    from unconceal.specs.planting_plan import Planting

    return Planter(read_yaml(planting, Planting), DataRoot.find(root), out, device, lambda line: click.echo(line, err=True))


def _echo_cost(planter: Planter) -> None:
    from unconceal.planting.plant import models_of, planting_cost

    cost = planting_cost(planter.planting, planter.load_public_model)
    rows = [
        {"model": model.name, "excluded concept": model.excluded_concept or "", "trained": planter.is_trained(model)}
        for model in models_of(planter.planting)
    ]
    echo_rows(rows, as_json=False)
    click.echo(f"{cost.trainings} trainings, {cost.samples} training samples, {cost.petaflop:.2g} PFLOP, {cost.gigabytes:.1f} GB of models")


def _judge(planter: Planter, folder: Path) -> ConceptDetector:
    from unconceal.judges.clip import load
    from unconceal.planting.planting_gates import clip_detector

    planting = planter.planting
    return clip_detector(
        load(folder),
        [*(concept.caption for concept in planting.concepts.values()), *(concept.caption for concept in planting.kept_concepts)],
    )
