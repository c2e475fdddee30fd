"""Elicit answers about one task from one language model, sample by sample. Each reply is saved at once and never requested again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from unconceal.errors import CheckFailed
from unconceal.probes.prompt import PROMPT_VERSION, Question
from unconceal.probes.providers import Provider
from unconceal.probes.replies import parse_reply
from unconceal.probes.transcript import Transcript, read_transcript, write_transcript
from unconceal.progress import Progress
from unconceal.specs.elicitation import Decoding, ElicitationRequest, Reply, Sample
from unconceal.specs.task import Task

STRIDE = 100
"""Distance between the first seeds of two consecutive samples."""


def elicitation_request(provider: Provider, task: Task, question: Question, decoding: Decoding) -> ElicitationRequest:
    """The header of the replies file: model, prompt and decoding."""
    return ElicitationRequest(
        suite=task.suite,
        task=task.id,
        model=provider.model,
        revision=provider.revision,
        provider=provider.kind,
        prompt_version=PROMPT_VERSION,
        prompt_digest=question.digest,
        decoding=decoding,
    )


def open_transcript(path: Path, request: ElicitationRequest) -> Transcript:
    """Open the transcript at ``path``, or create an empty one.

    Raises:
        CheckFailed: the stored replies answer another request, and one set must not mix two.
    """
    if not path.exists():
        return Transcript(request)
    transcript = read_transcript(path)
    if transcript.request != request:
        stored, requested = transcript.request.model_dump(), request.model_dump()
        differing = ", ".join(name for name in requested if requested[name] != stored[name])
        consequence = f"holds replies that were asked for otherwise ({differing}), and one set cannot mix them"
        raise CheckFailed(
            "probes.mixed-settings", str(path), consequence, "repeat the options that it was begun with, or name another folder with --out"
        )
    return transcript


def elicit(
    provider: Provider,
    question: Question,
    request: ElicitationRequest,
    n_samples: int,
    max_attempts: int,
    path: Path,
    progress: Progress,
    date: str | None = None,
) -> Transcript:
    """Request replies until every sample is complete. The file is written after each reply, so the same call resumes.

    Args:
        n_samples: number of answers, numbered from 0.
        max_attempts: maximum requests per sample while its replies are invalid. Refusals and truncated replies are not repeated.
        date: collection date of external replies; None: now.
    """
    transcript = open_transcript(path, request)
    # Greedy decoding and collected files give the same reply again.
    repeats = 1 if request.decoding.temperature == 0 or request.provider == "replies" else max_attempts
    stage = progress.stage(f"asking {request.model} about {request.task}", n_samples)
    for sample in range(n_samples):
        while not is_complete(transcript, question, sample, repeats):
            transcript = transcript.with_reply(_ask(provider, question, request.decoding, sample, len(transcript.of_sample(sample)), date))
            write_transcript(transcript, path)
        stage.advance()
    return transcript


def is_complete(transcript: Transcript, question: Question, sample: int, attempts: int) -> bool:
    """Whether a sample needs no further request."""
    replies = transcript.of_sample(sample)
    return len(replies) >= attempts or (bool(replies) and parse_reply(replies[-1], question).outcome != "invalid")


def _ask(provider: Provider, question: Question, decoding: Decoding, sample: int, attempt: int, date: str | None) -> Reply:
    seed = None if decoding.seed is None else decoding.seed + STRIDE * sample + attempt
    reply = provider.ask(question, decoding, sample, seed or 0)
    # Generated text may contain lone surrogates, which a file cannot hold.
    text = reply.text.encode("utf-8", "replace").decode()
    timestamp = date or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Reply(
        sample=sample,
        attempt=attempt,
        seed=seed,
        date=timestamp,
        finish=reply.finish,
        form=reply.form,
        served=reply.served[:200],
        text=text,
    )


def samples_of(transcript: Transcript, question: Question) -> tuple[Sample, ...]:
    """Each sample by its last attempt."""
    return tuple(parse_reply(transcript.of_sample(number)[-1], question) for number in transcript.samples)
