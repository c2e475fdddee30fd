"""The group of all verbs. It imports click only; a verb's module is imported when the verb is used."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from unconceal import __version__
from unconceal.cli.terminal import Terminated, escaped_output, sigterm_as_interrupt
from unconceal.errors import UnconcealError, listed
from unconceal.faults import as_fault


class Verb(NamedTuple):
    """A verb's command, ``module:attribute``, and its one-line summary."""

    command: str
    summary: str


VERBS: dict[str, Verb] = {
    "demo": Verb("unconceal.cli.demo:command", "Evaluate three unlearned checkpoints of the miniature suite and show the leaderboard."),
    "tasks": Verb("unconceal.cli.tasks:command", "List, show and check the tasks."),
    "submissions": Verb("unconceal.cli.submissions:command", "List and check the submissions: unlearned checkpoints."),
    "probes": Verb("unconceal.cli.probes:command", "Ask language models for a target's neighbours, and freeze the answers."),
    "evaluate": Verb("unconceal.cli.evaluate:command", "Take a first look at a checkpoint, without any YAML; writes no record."),
    "run": Verb("unconceal.cli.run:command", "Evaluate submissions on tasks and write one record each."),
    "rescore": Verb("unconceal.cli.rescore:command", "Recompute every score from stored images, without generating any."),
    "leaderboard": Verb("unconceal.cli.leaderboard:command", "Write LEADERBOARD.md from the records, or check that it is up to date."),
    "report": Verb("unconceal.cli.report:command", "Write a page with images and curves for a submission."),
    "results": Verb("unconceal.cli.results:command", "Check the records, compare a re-run, dispute or withdraw a row."),
    "doctor": Verb("unconceal.cli.doctor:command", "List what a suite needs and what is missing on this machine."),
    "store": Verb("unconceal.cli.store:command", "Inspect, verify or clear the store of generated images."),
    "export": Verb("unconceal.cli.export:command", "Write rows as CSV, JSON, LaTeX, BibTeX or the Hub's evaluation results."),
    "cite": Verb("unconceal.cli.cite:command", "Print BibTeX of the benchmark, a suite's version, or a row."),
    "site": Verb("unconceal.cli.site:command", "Write the results as a website of plain files."),
    "publish": Verb("unconceal.cli.publish:command", "Publish a version of the results as a dataset."),
    "serve": Verb("unconceal.cli.serve:command", "Let authors submit checkpoints on the Hub, and evaluate them in turn."),
    "rate": Verb("unconceal.cli.rate:command", "Let people rate images, and compare their answers with judge and scores."),
    "plant": Verb("unconceal.cli.plant:command", "Train invented concepts into a public model, and train golds without them."),
}


class LazyGroup(click.Group):
    """Verbs that are imported on use. An expected failure becomes one line and an exit code."""

    verbs: Mapping[str, Verb] = VERBS

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.verbs:
            return None
        module, _, attribute = self.verbs[cmd_name].command.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.summary) for name, verb in self.verbs.items()])

    def main(self, *arguments: Any, **options: Any) -> Any:
        with escaped_output(), sigterm_as_interrupt():
            return super().main(*arguments, **options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # The system's functions for paths fail on these in ways that click does not expect.
        if not all(map(can_be_passed, args)):
            raise click.UsageError("an argument holds NUL or half a surrogate pair, which no name or path can; leave it out", ctx)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except KeyboardInterrupt as interrupt:
            click.echo("interrupted; finished work is kept, the same command resumes", err=True)
            ctx.exit(128 + (signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT))
        except BrokenPipeError:
            ctx.exit(128 + signal.SIGPIPE)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            failure = error if isinstance(error, UnconcealError) else as_fault(error)
            for line in listed(failure.lines()):
                click.echo(f"error: {line}", err=True)
            ctx.exit(failure.exit_code)


def can_be_passed(argument: str) -> bool:
    """Whether the system could pass a text to a program."""
    try:
        return b"\0" not in os.fsencode(argument)
    except UnicodeEncodeError:
        return False


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__, prog_name="unconceal")
def main(debug: bool) -> None:
    """Unlearned, or merely concealed? Evaluate unlearned text-to-image diffusion checkpoints.

    \b
    Start here:  unconceal demo
    Example:     unconceal run esd-x --task object/star --tier quick
    """
