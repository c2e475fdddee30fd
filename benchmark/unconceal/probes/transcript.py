"""The file of raw replies of one language model about one task: a header line with the request, then one reply a line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from unconceal.errors import CheckFailed, EnvironmentFault, UsageError
from unconceal.files import write_atomically
from unconceal.specs.elicitation import ElicitationRequest, Reply

TranscriptLine = TypeVar("TranscriptLine", ElicitationRequest, Reply)

MAX_BYTES = 50_000_000
"""Maximum size of a replies file in bytes."""


@dataclass(frozen=True)
class Transcript:
    """The request, and all replies in order of arrival."""

    request: ElicitationRequest
    replies: tuple[Reply, ...] = ()

    def of_sample(self, sample: int) -> tuple[Reply, ...]:
        """The replies of one sample, by attempt."""
        return tuple(sorted((reply for reply in self.replies if reply.sample == sample), key=lambda reply: reply.attempt))

    def with_reply(self, reply: Reply) -> Transcript:
        return Transcript(self.request, (*self.replies, reply))

    @property
    def samples(self) -> tuple[int, ...]:
        """Indices of samples with a reply."""
        return tuple(sorted({reply.sample for reply in self.replies}))


def read_transcript(path: Path) -> Transcript:
    """Read and validate a replies file.

    Raises:
        UsageError: the file cannot be read.
        CheckFailed: a line is invalid, or an attempt of a sample occurs twice.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        remedy = "name the file that `unconceal probes elicit` wrote"
        raise UsageError("replies.unreadable", str(path), f"cannot be read ({error.strerror})", remedy) from error
    if len(content) > MAX_BYTES:
        raise CheckFailed("replies.too-large", str(path), f"has more than {MAX_BYTES} bytes, so it is not read", "ask for fewer samples")
    lines = [line for line in content.split(b"\n") if line.strip()]
    if not lines:
        raise CheckFailed("replies.empty", str(path), "is empty, so the request is unknown", "elicit again")
    request = _parse_line(path, 1, lines[0], ElicitationRequest)
    replies = tuple(_parse_line(path, number, line, Reply) for number, line in enumerate(lines[1:], 2))
    if len({(reply.sample, reply.attempt) for reply in replies}) < len(replies):
        raise CheckFailed("replies.altered", str(path), "contains one attempt of a sample twice, so it was altered", "elicit again")
    return Transcript(request, replies)


def _parse_line(path: Path, number: int, line: bytes, model: type[TranscriptLine]) -> TranscriptLine:
    try:
        return model.model_validate_json(line, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        remedy = "elicit again, or pass external replies with --from-replies"
        raise CheckFailed(
            "replies.bad-line", f"{path}:{number}", f"is not a line of `unconceal probes elicit` ({where}: {first['msg']})", remedy
        ) from error


def write_transcript(transcript: Transcript, path: Path) -> None:
    """Write the file atomically; an interrupted run leaves the previous version.

    Raises:
        EnvironmentFault: the disk is full or the folder cannot be written.
    """
    lines = [transcript.request.model_dump_json(), *(reply.model_dump_json() for reply in transcript.replies)]
    write_bytes(path, "".join(f"{line}\n" for line in lines).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically.

    Raises:
        EnvironmentFault: it cannot be written.
    """
    try:
        write_atomically(path, content)
    except OSError as error:
        remedy = "free some space or make the folder writable, and run the same command again"
        raise EnvironmentFault("replies.not-writable", str(path), f"was not written ({error.strerror})", remedy) from error
