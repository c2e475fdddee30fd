"""The group of all verbs. It imports click and nothing heavier: a verb's module is loaded when the verb is used."""

from __future__ import annotations

import errno
import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from unconceal import __version__
from unconceal.errors import EnvironmentFault, UnconcealError
from unconceal.evaluation.environment import is_out_of_memory


class Verb(NamedTuple):
    """Where a verb's command is, ``module:attribute``, and what it does in one line."""

    command: str
    summary: str


VERBS: dict[str, Verb] = {
    "demo": Verb("unconceal.cli.demo:command", "Evaluate three unlearned checkpoints of the miniature suite and show the leaderboard."),
    "tasks": Verb("unconceal.cli.tasks:command", "List, show and check the tasks: what there is to forget."),
    "submissions": Verb("unconceal.cli.submissions:command", "List and check the submissions: unlearned checkpoints."),
    "probes": Verb("unconceal.cli.probes:command", "Ask language models which concepts are near a target, and freeze what they say."),
    "run": Verb("unconceal.cli.run:command", "Evaluate submissions on tasks and write one record each."),
    "score": Verb("unconceal.cli.rescore:command", "Compute every score anew from stored pictures, without generating any."),
    "leaderboard": Verb("unconceal.cli.leaderboard:command", "Write LEADERBOARD.md from the records, or check that it is up to date."),
    "report": Verb("unconceal.cli.report:command", "Write a page with pictures and curves for a submission."),
    "results": Verb("unconceal.cli.results:command", "Check the records, compare a re-run, dispute or withdraw a row."),
    "doctor": Verb("unconceal.cli.doctor:command", "List what a suite needs on this machine, and whether it is there."),
    "store": Verb("unconceal.cli.store:command", "Look into the store of generated pictures, prove it sound, clear it."),
    "export": Verb("unconceal.cli.export:command", "Write rows as CSV, JSON, LaTeX, BibTeX or the Hub's evaluation results."),
    "cite": Verb("unconceal.cli.cite:command", "Print BibTeX of the benchmark, a suite's version, or a row."),
    "site": Verb("unconceal.cli.site:command", "Write the results as a website of plain files."),
    "publish": Verb("unconceal.cli.publish:command", "Publish a version of the results as a dataset."),
    "plant": Verb("unconceal.cli.plant:command", "Teach invented concepts to a public model, and make the golds that never saw them."),
}


class LazyGroup(click.Group):
    """Verbs by name, each loaded when it is used; an expected failure becomes one line and an exit code."""

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

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except KeyboardInterrupt:
            click.echo("interrupted; finished work is kept, the same command goes on from there", err=True)
            ctx.exit(130)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            lines, code = explained(error)
            for line in lines:
                click.echo(f"error: {line}", err=True)
            ctx.exit(code)


def explained(error: Exception) -> tuple[list[str], int]:
    """What a failure says, a line per mistake, and the exit code it deserves."""
    if isinstance(error, UnconcealError):
        return str(error).splitlines(), error.exit_code
    fault = as_fault(error)
    return [str(fault)], fault.exit_code


def as_fault(error: Exception) -> EnvironmentFault:
    """A failure that no room expected, in the words of one that it resembles."""
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ModuleNotFoundError):
        return EnvironmentFault(
            "environment.missing-package",
            f"module {error.name!r}",
            "is not installed, so this verb cannot run",
            "install unconceal again with pip",
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return EnvironmentFault(
            "environment.disk-full", error.filename or "the disk", "is full", "free some space and run the same command again"
        )
    if is_out_of_memory(error):
        remedy = "halve --batch, or take --dtype bfloat16, which needs half as much, or --offload"
        return EnvironmentFault("environment.out-of-memory", "memory", f"does not suffice ({said})", remedy)
    if isinstance(error, OSError):
        return EnvironmentFault(
            "environment.system-error",
            error.filename or "the system",
            f"refuses ({error.strerror or said})",
            "check the path and its permissions",
        )
    value = f"{type(error).__name__} ({said})"
    return EnvironmentFault("environment.unexpected", value, "was not expected here", "run `unconceal --debug …` and report the traceback")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__, prog_name="unconceal")
def main(debug: bool) -> None:
    """Unlearned, or merely concealed? Evaluate unlearned text-to-image diffusion checkpoints.

    \b
    Start here:  unconceal demo
    """
