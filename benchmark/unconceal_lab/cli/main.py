"""The commands of ``python -m unconceal_lab``, each loaded when it is used."""

from __future__ import annotations

import click

from unconceal.cli.main import LazyGroup, Verb

COMMANDS: dict[str, Verb] = {
    "build": Verb("unconceal_lab.cli.build:command", "Train the miniature suite's models, unlearners and judges."),
    "study": Verb("unconceal_lab.cli.study:command", "Measure the models of the validation study."),
    "validation": Verb("unconceal_lab.cli.validation:command", "Write the page of the validation study."),
    "judge-agreement": Verb("unconceal_lab.cli.judge_agreement:command", "Compare the concept judge with the drawings classifier."),
    "half-made-judge": Verb("unconceal_lab.cli.half_made_judge:command", "Fit a judge that also learns from images after a handover."),
    "scratch-gold": Verb("unconceal_lab.cli.scratch_gold:command", "Compare the gold trained from scratch with the continued golds."),
    "relearn": Verb("unconceal_lab.cli.relearn:command", "Train submissions on drawings of the concept."),
    "battery": Verb("unconceal_lab.cli.battery:command", "Write the page of the battery: verdicts, probes and their cost."),
    "verdict-tier": Verb("unconceal_lab.cli.verdict_tier:command", "Replay the sequential tier on full records."),
    "word-shapes": Verb("unconceal_lab.cli.word_shapes:command", "Print the proximity order by spelling alone."),
    "proximity-rankers": Verb("unconceal_lab.cli.proximity_rankers:command", "Compare the proximity rankers of neighbours."),
    "bench": Verb("unconceal_lab.cli.bench:command", "Measure the cost of an evaluation on this machine."),
    "metrics-reference": Verb("unconceal_lab.cli.metrics_reference:command", "Write the reference page of the metric functions."),
    "error-codes": Verb("unconceal_lab.cli.error_codes:command", "Write the reference page of the error codes."),
    "name-report": Verb("unconceal_lab.cli.name_report:command", "Count private words among names, and sizes of files and functions."),
}


class LabGroup(LazyGroup):
    """The companion's commands."""

    verbs = COMMANDS


@click.group(cls=LabGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Build the miniature suite, validate its metrics against known truth, and measure its speed."""
