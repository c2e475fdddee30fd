"""The raw replies of one language model about one task, as a file: a first line that says what was asked, then a reply a line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from unconceal.errors import CheckFailed, EnvironmentFault, UsageError
from unconceal.files import write_atomically
from unconceal.specs.elicitation import ElicitationRequest, Reply

Line = TypeVar("Line", ElicitationRequest, Reply)

LARGEST = 50_000_000
"""Bytes that a file of replies may have."""


@dataclass(frozen=True)
class Transcript:
    """What was asked, and every reply in the order in which they came."""

    asked: ElicitationRequest
    replies: tuple[Reply, ...] = ()

    def of_sample(self, sample: int) -> tuple[Reply, ...]:
        """The replies of one sample, by attempt."""
        return tuple(sorted((reply for reply in self.replies if reply.sample == sample), key=lambda reply: reply.attempt))

    def with_reply(self, reply: Reply) -> Transcript:
        return Transcript(self.asked, (*self.replies, reply))

    @property
    def samples(self) -> tuple[int, ...]:
        """The numbers of the samples that have a reply."""
        return tuple(sorted({reply.sample for reply in self.replies}))


def read_transcript(path: Path) -> Transcript:
    """A file of replies, every line checked.

    Raises:
        UsageError: the file cannot be read.
        CheckFailed: a line is not what it should be, or a sample's attempt stands twice.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        remedy = "name the file that `unconceal probes elicit` wrote"
        raise UsageError(str(path), f"cannot be read ({error.strerror})", remedy) from error
    if len(content) > LARGEST:
        raise CheckFailed(str(path), f"has more than {LARGEST} bytes, so it is not read", "ask for fewer samples")
    lines = [line for line in content.split(b"\n") if line.strip()]
    if not lines:
        raise CheckFailed(str(path), "is empty, so nobody knows what was asked", "elicit again")
    asked = _line(path, 1, lines[0], ElicitationRequest)
    replies = tuple(_line(path, number, line, Reply) for number, line in enumerate(lines[1:], 2))
    if len({(reply.sample, reply.attempt) for reply in replies}) < len(replies):
        raise CheckFailed(str(path), "holds one attempt of one sample twice, so it was altered", "elicit again")
    return Transcript(asked, replies)


def _line(path: Path, number: int, line: bytes, model: type[Line]) -> Line:
    try:
        return model.model_validate_json(line, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        remedy = "elicit again, or give foreign replies with --from-replies"
        raise CheckFailed(f"{path}:{number}", f"is not what `unconceal probes elicit` writes ({where}: {first['msg']})", remedy) from error


def write_transcript(transcript: Transcript, path: Path) -> None:
    """Put the file in place whole; an interrupted run leaves the last whole one.

    Raises:
        EnvironmentFault: the disk is full or the folder cannot be written.
    """
    lines = [transcript.asked.model_dump_json(), *(reply.model_dump_json() for reply in transcript.replies)]
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        EnvironmentFault: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        remedy = "free some space or make the folder writable, and run the same command again"
        raise EnvironmentFault(str(path), f"was not written ({error.strerror})", remedy) from error
