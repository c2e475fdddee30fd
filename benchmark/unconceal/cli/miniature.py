"""``unconceal miniature``: build the embedded suite's models from nothing."""

from __future__ import annotations

from pathlib import Path

import click

WORK = Path.home() / ".cache" / "unconceal" / "miniature"


@click.group()
def command() -> None:
    """Build the miniature suite's models, unlearners and judges."""


@command.command()
@click.option(
    "--work", type=click.Path(file_okay=False, path_type=Path), default=WORK, show_default=True, help="Where the build works and resumes."
)
@click.option("--only", multiple=True, help="Make only this thing, e.g. base or gold-star-1; repeatable.")
@click.option("--scratch", is_flag=True, help="Train everything anew; without it, VAE, ancestor and base are taken from the package.")
@click.option("--list", "listed", is_flag=True, help="List the steps, what is made and what it took, and stop.")
@click.option("--ship", is_flag=True, help="Afterwards copy what is shipped into the package and submissions/, and write docs/gates.md.")
def build(work: Path, only: tuple[str, ...], scratch: bool, listed: bool, ship: bool) -> None:
    """Train everything that is missing, one step after the other, on one thread. The same command resumes.

    \b
    Example:  unconceal miniature build --only base
    """
    from unconceal.cli.options import echo_rows
    from unconceal.miniature.building.workshop import Workshop
    from unconceal.progress import progress

    with progress() as shown:
        shop = Workshop(work, progress=shown)
        from unconceal.miniature.building import steps

        if listed:
            rows = [
                {"step": step.makes, "expected CPU min": step.minutes, "took": shop.minutes.get(step.makes), "made": shop.made(step.makes)}
                for step in steps.steps(shop)
            ]
            echo_rows(rows, as_json=False)
            return
        steps.build(shop, only, scratch)
        if ship:
            from unconceal.miniature.building.shipping import ship_all

            ship_all(shop)
