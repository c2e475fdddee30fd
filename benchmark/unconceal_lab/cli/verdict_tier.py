"""``python -m unconceal_lab verdict-tier``: replay the sequential tier on full records."""

from __future__ import annotations

from pathlib import Path

import click

from unconceal.cli.options import root_option
from unconceal.paths import DataRoot
from unconceal_lab.cli.options import reports_option


@click.command()
@reports_option
@root_option
def command(reports: Path, root: Path | None) -> None:
    """Write docs/reports/verdict-tier.md from the full records of the miniature suite and the rows of the study.

    \b
    Example:  python -m unconceal_lab verdict-tier
    """
    from unconceal.results.result_tables import suite_versions
    from unconceal.specs.loader import load_suite, load_task, task_files
    from unconceal_lab.reports.verdict_tier import ratio_choices, replay_version
    from unconceal_lab.reports.verdict_tier_page import PAGE, page
    from unconceal_lab.study.study_rows import read_rows
    from unconceal_lab.study.validation_page import rows_path

    data = DataRoot.find(root)
    suite = load_suite(data, "miniature")
    tasks = {name: load_task(data, f"{suite.name}:{name}") for suite_name, name, _ in task_files(data) if suite_name == suite.name}
    versions = sorted(version for name, version in suite_versions([data.results]) if name == suite.name)
    replays = [replay for version in versions for replay in replay_version(data.results, suite, version, tasks)]
    (reports / PAGE).write_text(page(suite, replays, ratio_choices(read_rows(rows_path(reports)), suite)), encoding="utf-8")
    click.echo(f"{reports / PAGE}: {len(replays)} records")
