"""What a provider is: something that answers a question, once for each sample and attempt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from unconceal.errors import EnvironmentFault, UsageError
from unconceal.probes.prompt import Question
from unconceal.specs.elicitation import Asker, Decoding, Finish, Form


class Heard(NamedTuple):
    """A reply as a provider hands it over; the fields are those of :class:`unconceal.specs.elicitation.Reply`."""

    text: str
    finish: Finish
    form: Form
    served: str = ""


class Provider(Protocol):
    """One language model that can be asked. ``model``: the name that files give it; ``revision``: None where it is not known."""

    @property
    def kind(self) -> Asker: ...

    @property
    def model(self) -> str: ...

    @property
    def revision(self) -> str | None: ...

    def ask(self, question: Question, decoding: Decoding, sample: int, seed: int) -> Heard: ...


class Given:
    """Replies that somebody else collected with the printed prompt, one a line; ``model`` and ``revision`` are as that person says."""

    kind: Asker = "replies"

    def __init__(self, model: str, revision: str | None, replies: Sequence[str]) -> None:
        self.model, self.revision, self.replies = model, revision, replies

    @classmethod
    def read(cls, path: Path, model: str, revision: str | None) -> Given:
        """The replies of a file: each line is one, as it came or, where it has line breaks, as a JSON string.

        Raises:
            UsageError: the file cannot be read or holds none.
        """
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(str(path), "cannot be read as text, so it gives no replies", "name a UTF-8 file, one reply a line") from error
        found = [unwrapped(line) for line in lines if line.strip()]
        if not found:
            raise UsageError(str(path), "holds no reply", "write one reply a line")
        return cls(model, revision, found)

    def ask(self, question: Question, decoding: Decoding, sample: int, seed: int) -> Heard:
        """The reply of that number."""
        return Heard(self.replies[sample], "stop", "free")


def unwrapped(line: str) -> str:
    """A reply's text, out of the JSON string that it may be written as."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return line
    return value if isinstance(value, str) else line


def missing(module: str | None) -> EnvironmentFault:
    """What is said where a package of the extra is not installed."""
    return EnvironmentFault(
        f"module {module!r}", "is not installed, so this language model cannot be asked", "pip install 'unconceal[probes]'"
    )
