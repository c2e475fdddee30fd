"""The group: light help, one line and an exit code for every failure."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from codes import printed_codes
from unconceal import __version__
from unconceal.cli import main as cli
from unconceal.errors import MAX_LINE, MAX_LINES, CheckFailed, EnvironmentFault, UsageError
from unconceal.paths import SOURCE_TREE
from unconceal.specs.problems import Problem, SpecProblems

failure: list[BaseException] = []


@click.command()
def failing() -> None:
    """Raise what the test asks for."""
    raise failure[0]


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[BaseException]]:
    """A verb that fails with the error appended here."""
    monkeypatch.setattr(cli, "failing", failing, raising=False)
    monkeypatch.setitem(cli.VERBS, "failing", cli.Verb("unconceal.cli.main:failing", "Fail."))
    failure.clear()
    yield failure


@pytest.mark.parametrize(
    ("error", "exit_code", "code", "value"),
    [
        (CheckFailed("record.altered", "x.json", "was altered", "run again"), 1, "record.altered", "x.json"),
        (UsageError("task.unknown", "task 'x'", "does not exist", "use y"), 2, "task.unknown", "task 'x'"),
        (EnvironmentFault("device.no-cuda", "cuda", "is absent", "use cpu"), 3, "device.no-cuda", "cuda"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 3, "environment.disk-full", "/x"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 3, "environment.system-error", "/x"),
        (MemoryError(), 3, "environment.out-of-memory", "memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 3, "environment.out-of-memory", "memory"),
        (ModuleNotFoundError("No module named 'x'", name="x"), 3, "environment.missing-package", "module 'x'"),
        (ValueError("two\nlines"), 3, "environment.unexpected", "ValueError (two lines)"),
    ],
)
def test_failures_are_one_line(verb: list[BaseException], error: BaseException, exit_code: int, code: str, value: str) -> None:
    verb.append(error)
    result = CliRunner().invoke(cli.main, ["failing"])
    assert result.exit_code == exit_code and printed_codes(result.stderr) == [code]
    assert result.stderr.startswith(f"error: {value}: ") and result.stderr.count("\n") == 1 and "Traceback" not in result.stderr


def test_an_interrupt_is_one_line(verb: list[BaseException]) -> None:
    verb.append(KeyboardInterrupt())
    result = CliRunner().invoke(cli.main, ["failing"])
    assert result.exit_code == 130 and result.stderr.count("\n") == 1 and "Traceback" not in result.stderr


def test_a_pipe_closed_by_its_reader_is_silent() -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "unconceal", "submissions", "list", "--root", str(SOURCE_TREE)]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_debug_shows_the_error_itself(verb: list[BaseException]) -> None:
    verb.append(UsageError("a.b", "a", "b", "c"))
    result = CliRunner().invoke(cli.main, ["--debug", "failing"])
    assert result.exception is verb[0]


def test_help_names_every_verb_without_loading_it() -> None:
    result = CliRunner().invoke(cli.main, ["--help"])
    assert result.exit_code == 0 and all(f"\n  {name} " in result.stdout for name in cli.VERBS)
    assert __version__ in CliRunner().invoke(cli.main, ["--version"]).stdout


def test_bad_usage_is_2() -> None:
    assert CliRunner().invoke(cli.main, ["no-such-verb"]).exit_code == 2
    assert CliRunner().invoke(cli.main, ["tasks", "list", "--no-such-option"]).exit_code == 2
    assert CliRunner().invoke(cli.main, ["tasks", "show"]).exit_code == 2


@pytest.mark.parametrize("name", cli.VERBS)
def test_every_verb_has_help_with_its_summary(name: str) -> None:
    module, _, attribute = cli.VERBS[name].command.partition(":")
    file = Path(cli.__file__).parent / f"{module.rpartition('.')[2]}.py"
    assert file.is_file() and attribute == "command"
    result = CliRunner().invoke(cli.main, [name, "--help"])
    assert result.exit_code == 0, result.output


def test_every_group_has_an_example() -> None:
    commands = {name: cli.main.get_command(click.Context(cli.main), name) for name in cli.VERBS}
    groups = {name: command for name, command in commands.items() if isinstance(command, click.Group)}
    assert len(groups) >= 6 and all("Example:  unconceal " in (command.help or "") for command in groups.values())
    assert "Example:  " in (cli.main.help or "")


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp437", "gbk", "ascii"])
def test_an_encoding_without_greek_is_no_error(encoding: str) -> None:
    command = [sys.executable, "-m", "unconceal", "run", "--help"]
    done = subprocess.run(command, env=os.environ | {"PYTHONIOENCODING": encoding}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Evaluate submissions" in done.stdout


def test_sigterm_ends_as_an_interrupt_does(verb: list[BaseException]) -> None:
    @click.command()
    def terminated() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(cli, "failing", terminated)
        result = CliRunner().invoke(cli.main, ["failing"])
    assert result.exit_code == 143 and result.stderr.count("\n") == 1
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_lines_and_lists_of_errors_are_bounded(verb: list[BaseException]) -> None:
    verb.append(CheckFailed("a.b", "v" * 10**6, "c" * 1000, "r" * 1000))
    line = CliRunner().invoke(cli.main, ["failing"]).stderr.rstrip("\n")
    assert len(line) <= MAX_LINE and printed_codes(line) == ["a.b"] and {"v", "c", "r", "…"} <= set(line)
    problems = [Problem("a.b", Path(f"{number}.yaml"), number, "v", "c", "r") for number in range(500)]
    verb[0] = SpecProblems(problems)
    lines = CliRunner().invoke(cli.main, ["failing"]).stderr.splitlines()
    assert len(lines) == MAX_LINES + 1 and "450" in lines[-1]


def test_no_control_character_of_an_error_reaches_the_terminal(verb: list[BaseException]) -> None:
    verb.append(CheckFailed("a.b", "\x1b[31mred\x07 \u202e \x9b1m", "c", "r"))
    printed = CliRunner().invoke(cli.main, ["failing"]).stderr
    assert not set(printed) & {"\x1b", "\x07", "\u202e", "\x9b"} and "red" in printed


@pytest.mark.parametrize("argument", ["\0", "a\0b", "\ud800"])
@pytest.mark.parametrize("verb", ["results check", "results check --results", "tasks lint --root"])
def test_an_argument_that_no_system_passes_is_a_mistake_of_its_user(verb: str, argument: str) -> None:
    result = CliRunner().invoke(cli.main, [*verb.split(), argument])
    assert result.exit_code == 2 and "surrogate" in result.stderr
