"""Providers of replies: language models, or replies collected elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from unconceal.errors import EnvironmentFault, UsageError
from unconceal.probes.prompt import Question
from unconceal.specs.elicitation import Decoding, FinishReason, Form, ProviderKind


class ProviderReply(NamedTuple):
    """A provider's reply; fields as in :class:`unconceal.specs.elicitation.Reply`."""

    text: str
    finish: FinishReason
    form: Form
    served: str = ""


class Provider(Protocol):
    """One language model. ``model``: its name in files; ``revision``: None if unknown."""

    @property
    def kind(self) -> ProviderKind: ...

    @property
    def model(self) -> str: ...

    @property
    def revision(self) -> str | None: ...

    def ask(self, question: Question, decoding: Decoding, sample: int, seed: int) -> ProviderReply: ...


class CollectedReplies:
    """Replies collected elsewhere with the printed prompt. ``model`` and ``revision`` are as stated by the user."""

    kind: ProviderKind = "replies"

    def __init__(self, model: str, revision: str | None, replies: Sequence[str]) -> None:
        self.model, self.revision, self.replies = model, revision, replies

    @classmethod
    def read(cls, path: Path, model: str, revision: str | None) -> CollectedReplies:
        """Read one reply a line: plain text, or a JSON string where it contains line breaks.

        Raises:
            UsageError: the file cannot be read or holds none.
        """
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                "replies.unreadable", str(path), "is not readable UTF-8 text", "name a UTF-8 file with one reply a line"
            ) from error
        replies = [unquote(line) for line in lines if line.strip()]
        if not replies:
            raise UsageError("replies.empty", str(path), "holds no reply", "write one reply a line")
        return cls(model, revision, replies)

    def ask(self, question: Question, decoding: Decoding, sample: int, seed: int) -> ProviderReply:
        """The reply of that sample."""
        return ProviderReply(self.replies[sample], "stop", "free")


def unquote(line: str) -> str:
    """A reply's text, decoded if it is a JSON string."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return line
    return value if isinstance(value, str) else line


def missing_package(module: str | None) -> EnvironmentFault:
    """The error for a missing package of the extra ``probes``."""
    return EnvironmentFault(
        "environment.missing-package",
        f"module {module!r}",
        "is not installed, so this language model cannot be used",
        "pip install 'unconceal[probes]'",
    )
