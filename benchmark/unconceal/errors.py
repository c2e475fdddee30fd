"""Errors that a command reports in one line: the value at fault, the consequence, the remedy and a stable code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import ClassVar

MAX_LINE, MAX_LINES = 400, 50
"""Characters of an error's line, with room for its code and the command's name; lines of one error."""


class UnconcealError(Exception):
    """An expected failure.

    ``str()`` is one line, ``value: consequence; remedy``. Wording may change between releases, codes do not.

    Attributes:
        code: ``<area>.<fault>``, e.g. ``checkpoint.no-change``; all are listed in docs/reference/error-codes.md.
        value: what is wrong.
        consequence: what follows from it.
        remedy: what to do.
        exit_code: exit status of the command.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, value: str, consequence: str, remedy: str) -> None:
        super().__init__(code, value, consequence, remedy)
        self.code, self.value, self.consequence, self.remedy = code, value, consequence, remedy

    def __str__(self) -> str:
        return error_line(self.value, self.consequence, self.remedy)

    def lines(self) -> tuple[str, ...]:
        """The lines that the command line prints, each with its code in brackets."""
        return (f"{self} [{self.code}]",)


class CheckFailed(UnconcealError):
    """What was checked is wrong: a bad submission, a broken record, a stale leaderboard."""

    exit_code = 1


class UsageError(UnconcealError):
    """The command or call was given something that does not exist or makes no sense."""

    exit_code = 2


class EnvironmentFault(UnconcealError):
    """The environment fails: no disk, no network, no memory, a missing package."""

    exit_code = 3


def error_line(value: str, consequence: str, remedy: str, max_length: int = MAX_LINE - 60) -> str:
    """``value: consequence; remedy`` on one line; the longest part is shortened in its middle until the line fits."""
    parts = [" ".join(part.split()) for part in (value, consequence, remedy)]
    while (excess := sum(map(len, parts)) + len(": ; ") - max_length) > 0:
        longest = max(range(len(parts)), key=lambda index: len(parts[index]))
        parts[longest] = elided(parts[longest], max(len(parts[longest]) - excess, max_length // 4))
    return "{}: {}; {}".format(*parts)


def elided(text: str, max_length: int) -> str:
    """Text of at most ``max_length`` characters: of longer text the beginning and the end."""
    half = (max_length - 1) // 2
    return text if len(text) <= max_length else f"{text[: max_length - 1 - half]}…{text[len(text) - half :]}"


def listed(lines: Iterable[str]) -> Iterator[str]:
    """The first :data:`MAX_LINES` lines, and a line that counts the others."""
    remaining = iter(lines)
    yield from islice(remaining, MAX_LINES)
    if n_more := sum(1 for _ in remaining):
        yield f"and {n_more} more"
