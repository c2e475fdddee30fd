"""Every command that the documentation and ``--help`` show parses, and names tasks, submissions and suites that exist."""

from __future__ import annotations

import re
from importlib.util import find_spec

import click
import pytest

from docs.pages import PAGES, PROGRAMS, ROOT, help_examples, inline_commands, leaf_commands, page_commands, parse_line, parse_parameters
from unconceal.paths import DataRoot
from unconceal.specs.loader import all_submissions, all_tasks, suite_names

SHOWN = [(page.relative_to(ROOT).as_posix(), *command, True) for page in PAGES for command in page_commands(page)]
SHOWN += [(page.relative_to(ROOT).as_posix(), *command, False) for page in PAGES for command in inline_commands(page)]
SHOWN += [("--help", *example, True) for example in help_examples()]
OWN = {"my-method"}
"""The submission that a reader adds."""

KINDS = {
    "task": ("task", "tasks"),
    "submission": ("submission", "submissions"),
    "suite": ("suite",),
}


@pytest.fixture(scope="module")
def known_names() -> dict[str, set[str]]:
    root = DataRoot.find(ROOT)
    return {
        "task": {task.id for task in all_tasks(root)},
        "submission": {submission.name for submission in all_submissions(root)} | OWN,
        "suite": set(suite_names(root)),
    }


def names_in(parameters: dict[str, object], kind: str) -> list[str]:
    """The values of the parameters that name tasks, submissions or suites, without their suite."""
    values = [parameters[name] for name in KINDS[kind] if parameters.get(name)]
    flat = [item for value in values for item in (value if isinstance(value, list | tuple) else [value])]
    words = [item for item in flat if isinstance(item, str)]
    return [word.split(":")[-1] if kind == "task" else word.split("/")[-1] for word in words]


IDS = [f"{source}: {' '.join(words)}" for source, _, words, _ in SHOWN]


@pytest.mark.parametrize(("source", "program", "arguments", "complete"), SHOWN, ids=IDS)
def test_a_shown_command_parses_and_names_what_exists(
    source: str, program: str, arguments: list[str], complete: bool, known_names: dict[str, set[str]]
) -> None:
    """Commands in blocks and in ``--help`` are complete; those in running text may leave out required parameters."""
    parameters = parse_parameters(program, arguments, complete)
    for kind, names in known_names.items():
        assert set(names_in(parameters, kind)) <= names, (source, kind)


def test_every_command_shows_an_example_of_itself() -> None:
    for program, group in PROGRAMS.items():
        for names, command in leaf_commands(group):
            assert f"{program} {' '.join(names)}" in (command.help or ""), names


def test_wrong_commands_are_noticed() -> None:
    for arguments in (["run", "esd-x", "--tier", "huge"], ["results", "mark", "esd-x"], ["run", "esd-x", "--threads", "0"]):
        with pytest.raises((click.ClickException, AssertionError)):
            parse_parameters("unconceal", arguments)


def test_modules_that_are_run_exist() -> None:
    for page in PAGES:
        for module in re.findall(r"python -m (unconceal[\w.]*)", page.read_text(encoding="utf-8")):
            assert find_spec(module) is not None, (page, module)


def test_the_reference_lists_every_command() -> None:
    """A row starts with a whole command; further names in the same cell are its siblings."""
    lines = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8").splitlines()
    cells = [line.split(" | ")[0] for line in lines if line.startswith(("| `unconceal", "| `python"))]
    listed = set()
    for cell in cells:
        prefix: list[str] = []
        for code in re.findall(r"`([^`]+)`", cell):
            parsed = parse_line(code)
            prefix = [*([parsed[0]] if parsed else prefix[:1]), *(parsed[1][:-1] if parsed else prefix[1:])]
            listed.add((*prefix, parsed[1][-1] if parsed else code))
    assert {(program, *names) for program, group in PROGRAMS.items() for names, _ in leaf_commands(group)} == listed
