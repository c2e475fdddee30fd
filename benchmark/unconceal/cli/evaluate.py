"""``unconceal evaluate``: a first look at a checkpoint, without any YAML."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from unconceal.cli.options import root_option
from unconceal.paths import DataRoot

if TYPE_CHECKING:
    from unconceal.first_look.look_result import LookResult


@click.command()
@click.argument("weights")
@click.option("--base", required=True, help="The model that was unlearned: a suite's name, a diffusers folder, or owner/name[@revision].")
@click.option("--concept", required=True, help="Name of the concept, as a prompt has it.")
@click.option("--category", type=click.Choice(["object", "art-style", "identity", "nsfw"]), default="object", show_default=True)
@click.option("--retain", multiple=True, help="Another concept, which should stay; repeatable; default: twelve of the category.")
@click.option("--gold", help="A model that never saw the concept: a folder or file, or a name on the Hub.")
@click.option("--judge", help="A CLIP as folder or name on the Hub; default: that of the base's suite, or of suite sd14.")
@click.option("--use", type=click.Choice(["model", "ema"]), help="Of a release with both: the trained weights, or their moving average.")
@click.option("--relearn", is_flag=True, help="Also train the checkpoint on images of the concept, and see how fast it comes back.")
@click.option("--prompts", "n_prompts", type=click.IntRange(4, 40), default=12, show_default=True, help="Prompts of the concept.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("first-look.html"), show_default=True, help="The page."
)
@click.option(
    "--save", type=click.Path(path_type=Path, file_okay=False), help="Write a task and a submission to go on from into this folder."
)
@click.option("--threads", type=click.IntRange(1), help="Processor threads; default: all cores.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), default="float32", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a summary.")
@root_option
def command(root: Path | None, out: Path, save: Path | None, threads: int | None, as_json: bool, **request: Any) -> None:
    """Compare WEIGHTS with the base over ψ in both arms, and write one HTML page. No record, no verdict, no row of the leaderboard.

    Prompts come from the category's templates. The judge is zero-shot CLIP, whose reliability is measured on the base's own images.

    \b
    Example:  unconceal evaluate erased.safetensors --base CompVis/stable-diffusion-v1-4 --concept "Van Gogh" --category art-style
              unconceal evaluate submissions/miniature/weights/esd-x/star.safetensors --base miniature --concept star
              unconceal evaluate owner/name@main/erased.pt --base sd14 --concept church --gold owner/gold --relearn --save my-root
    """
    import torch

    from unconceal.evaluation.environment import resolve_device, usable_cores
    from unconceal.files import write_atomically
    from unconceal.first_look.first_look import LookRequest, take_look
    from unconceal.first_look.look_page import look_page
    from unconceal.first_look.save_specs import save_specs
    from unconceal.progress import progress

    data = DataRoot.find(root)
    torch.set_num_threads(threads or usable_cores())
    with progress() as bars:
        look = take_look(LookRequest(**{**request, "device": resolve_device(request["device"])}), data, bars)
    write_atomically(out, look_page(look).encode())
    saved = save_specs(look, save, data) if save else ()
    if as_json:
        click.echo(look.result.model_dump_json(indent=2))
        return
    echo_summary(look.result)
    click.echo(f"\nPage: {out}")
    for path in saved:
        click.echo(f"Saved: {path}")
    if saved:
        name = saved[1].stem
        click.echo(f"Next: `unconceal tasks lint --root {save}`, `unconceal submissions check {name} --root {save}`.")


def echo_summary(result: LookResult) -> None:
    """Print conclusion, judge, curves and notes."""
    from tabulate import tabulate

    from unconceal.first_look.look_result import SUMMARIES
    from unconceal.leaderboard.numbers import number, with_interval

    click.echo(SUMMARIES[result.conclusion])
    judge = result.judge
    rows = [("θ's images of the concept", judge.with_concept), ("θ's images of other concepts", judge.without_concept)]
    click.echo(f"\nThe judge sees {result.concept!r} in")
    click.echo(tabulate([(title, with_interval(score), score.n) for title, score in rows], tablefmt="plain"))
    psi = result.curve("unlearned", "prompt").psi
    curves = [(name, arm, *map(number, result.curve(name, arm).value)) for arm in ("prompt", "empty") for name in result.curves]
    click.echo("\n" + tabulate(curves, headers=["model", "arm", *(f"ψ {value:g}" for value in psi)], disable_numparse=True))
    for arm, score in result.excess.items():
        click.echo(f"excess over the gold, {arm} arm: {with_interval(score)}")
    for name, rates in result.relearning.items():
        click.echo(f"relearning, {name}: " + ", ".join(f"{level} {number(rate)}" for level, rate in rates.items()))
    kept = sum(shown[1] for shown in result.retained.values() if shown[0])
    click.echo(f"other concepts: {kept} of {sum(shown[0] for shown in result.retained.values())} that θ shows are still shown")
    for note in result.notes:
        click.echo(f"- {note.text} [{note.code}]")
