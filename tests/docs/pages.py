"""The pages of the documentation, their code blocks, and the commands that they and ``--help`` show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from unconceal.cli.main import main
from unconceal_lab.cli.main import main as lab_main

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
PROGRAMS: dict[str, click.Command] = {"unconceal": main, "python -m unconceal_lab": lab_main}

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.M | re.S)
COMMAND = re.compile(r"(unconceal|python -m unconceal_lab)(?= [a-z])")


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in the given languages, without their indent."""
    matches = FENCE.findall(page.read_text(encoding="utf-8"))
    return [re.sub(rf"^{indent}", "", text, flags=re.M) for indent, language, text in matches if language in languages]


def parse_line(line: str) -> tuple[str, list[str]] | None:
    """A command line as (program, arguments); None if it calls neither program. Comments after two spaces and redirections are left out."""
    line = re.split(r"\s{2,}#|\s>\s", line)[0].strip()
    match = COMMAND.match(line)
    return (match[1], shlex.split(line[match.end() :])) if match else None


def page_commands(page: Path) -> list[tuple[str, list[str]]]:
    """Every command in the shell blocks of a page."""
    lines = [line for block in blocks(page, "", "sh", "console") for line in block.splitlines()]
    return [command for line in lines if (command := parse_line(line)) is not None]


def inline_commands(page: Path) -> list[tuple[str, list[str]]]:
    """Every command in the running text of a page, without those that hold a placeholder in capitals or an ellipsis."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]
    commands = [command for span in spans if (command := parse_line(span)) is not None]
    return [command for command in commands if not any(re.search(r"…|^[A-Z]+$", word) for word in command[1])]


def leaf_commands(command: click.Command, names: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group, with its path of names."""
    if not isinstance(command, click.Group):
        yield names, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from leaf_commands(child, (*names, name))


def help_examples() -> list[tuple[str, list[str]]]:
    """Every example in the help of every command of both programs."""
    examples = []
    for program in PROGRAMS.values():
        for _, command in leaf_commands(program):
            lines = [line.removeprefix("Example:").strip() for line in (command.help or "").splitlines()]
            examples += [parsed for line in lines if (parsed := parse_line(line)) is not None]
    return examples


def resolve(program: str, arguments: list[str]) -> tuple[click.Command, list[str], str]:
    """The click command that arguments call, the rest of the arguments, and the command's name."""
    command, rest, names = PROGRAMS[program], list(arguments), []
    while isinstance(command, click.Group) and rest:
        names.append(rest.pop(0))
        child = command.get_command(click.Context(command), names[-1])
        assert child is not None, f"there is no `{program} {' '.join(names)}`"
        command = child
    return command, rest, " ".join(names)


def parse_parameters(program: str, arguments: list[str], complete: bool = True) -> dict[str, object]:
    """The parameters of a command as its own parser reads them: real options of the right type. Paths need not exist.

    Args:
        complete: required parameters must be present; False for a mention such as `unconceal run --dry-run`.
    """
    command, rest, name = resolve(program, arguments)
    if isinstance(command, click.Group):
        return {}
    context = click.Context(command, info_name=name, resilient_parsing=True)
    values, left, _ = command.make_parser(context).parse_args(list(rest))
    assert not left, f"`{name}` takes no {left}"
    for parameter in command.params:
        value = values.get(parameter.name or "")
        missing = value is None or not isinstance(value, str | list | tuple | bool | int | float)
        assert not (complete and missing and parameter.required), f"`{name}` needs {parameter.name}"
        if not missing and not isinstance(parameter.type, click.Path | click.File):
            parameter.type_cast_value(context, value)
    return dict(values)
