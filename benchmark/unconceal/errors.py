"""The three ways a command can fail, each told in one line: the value, the consequence, the remedy."""

from __future__ import annotations

from typing import ClassVar


class UnconcealError(Exception):
    """An expected failure. ``str()`` is one line, ``value: consequence; remedy``; ``exit_code`` is the command's."""

    exit_code: ClassVar[int] = 1

    def __init__(self, code: str, value: str, consequence: str, remedy: str) -> None:
        super().__init__(code, value, consequence, remedy)
        self.code, self.value, self.consequence, self.remedy = code, value, consequence, remedy

    def __str__(self) -> str:
        return " ".join(f"{self.value}: {self.consequence}; {self.remedy}".split())


class CheckFailed(UnconcealError):
    """The thing checked is wrong: a bad submission, a broken record, a stale leaderboard."""

    exit_code = 1


class UsageError(UnconcealError):
    """The command or call was given something that does not exist or makes no sense."""

    exit_code = 2


class EnvironmentFault(UnconcealError):
    """The machine fails: no disk, no network, no memory, a missing package."""

    exit_code = 3
