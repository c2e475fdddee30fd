"""Errors that a command reports in one line: the value at fault, the consequence, the remedy and a stable code."""

from __future__ import annotations

from typing import ClassVar


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
        return " ".join(f"{self.value}: {self.consequence}; {self.remedy}".split())

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
