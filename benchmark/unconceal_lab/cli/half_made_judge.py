"""``python -m unconceal_lab half-made-judge``: fit a judge that also learns from images after a handover."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal_lab.cli.options import reports_option, work_option


@click.command()
@work_option
@reports_option
def command(work: Path, reports: Path) -> None:
    """Compare a judge that also learns from images after a handover with the shipped recipe; about 20 CPU minutes on one thread.

    The build directory needs `base`, `truth.pt`, `softened.pt`, the golds of the first family and the shipped releases.

    \b
    Example:  python -m unconceal_lab half-made-judge --work build --reports docs/reports
    """
    from unconceal.judges import extractors
    from unconceal_lab.build.build_dir import BuildDir
    from unconceal_lab.build.miniature_judge import EXTRACTOR
    from unconceal_lab.reports.half_made_judge import PAGE, half_made_judge_page

    backbone = extractors.load(EXTRACTOR, work / f"{EXTRACTOR}.safetensors")
    (reports / PAGE).write_text(half_made_judge_page(BuildDir(work), (backbone,)), encoding="utf-8")
    click.echo(f"{reports / PAGE}: written")
