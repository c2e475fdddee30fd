"""The commands of ``python -m unconceal_lab``, each loaded when it is used."""

from __future__ import annotations

import click

from unconceal.cli.main import LazyGroup, Verb

COMMANDS: dict[str, Verb] = {
    "build": Verb("unconceal_lab.cli.miniature:build", "Train the miniature suite's models, unlearners and judges."),
    "study": Verb("unconceal_lab.cli.miniature:study", "Measure the models of the validation study."),
    "validation": Verb("unconceal_lab.cli.miniature:validation", "Write the page of the validation study from its rows."),
    "judge-agreement": Verb("unconceal_lab.cli.miniature:agreement", "Compare the concept judge with the drawings classifier."),
    "scratch-gold": Verb("unconceal_lab.cli.miniature:shortcut", "Compare the gold trained from scratch with continued golds."),
    "word-shapes": Verb("unconceal_lab.cli.miniature:word_shapes", "Print the proximity order by spelling alone."),
    "proximity-rankers": Verb("unconceal_lab.cli.proximity_rankers:command", "Compare proximity rankers of neighbours."),
    "bench": Verb("unconceal_lab.cli.bench:command", "Measure the cost of an evaluation on this machine."),
}


class LabGroup(LazyGroup):
    """The companion's commands."""

    verbs = COMMANDS


@click.group(cls=LabGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Build the embedded worlds of unconceal, validate its metrics against known truth, and measure its speed."""
