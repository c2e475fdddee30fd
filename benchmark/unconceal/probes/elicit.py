"""Asking one language model about one task, sample by sample; what was answered is kept at once and never asked again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from unconceal.errors import CheckFailed
from unconceal.probes.prompt import PROMPT_VERSION, Question
from unconceal.probes.providers import Provider
from unconceal.probes.replies import sample_of
from unconceal.probes.transcript import Transcript, read_transcript, write_transcript
from unconceal.progress import Progress
from unconceal.specs.elicitation import Decoding, ElicitationRequest, Reply, Sample
from unconceal.specs.task import Task

STRIDE = 100
"""Seeds between one sample's first attempt and the next one's."""


def asked_of(provider: Provider, task: Task, question: Question, decoding: Decoding) -> ElicitationRequest:
    """What the first line of the replies says."""
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


def begin(path: Path, asked: ElicitationRequest) -> Transcript:
    """An empty transcript, or the one that is there.

    Raises:
        CheckFailed: the replies that are there answer something else, so that mixing them would make one set of two.
    """
    if not path.exists():
        return Transcript(asked)
    found = read_transcript(path)
    if found.asked != asked:
        theirs, ours = found.asked.model_dump(), asked.model_dump()
        differing = ", ".join(name for name in ours if ours[name] != theirs[name])
        consequence = f"holds replies that were asked for otherwise ({differing}), and one set cannot mix them"
        raise CheckFailed(str(path), consequence, "repeat the options that it was begun with, or name another folder with --out")
    return found


def elicit(
    provider: Provider,
    question: Question,
    asked: ElicitationRequest,
    samples: int,
    attempts: int,
    path: Path,
    shown: Progress,
    date: str | None = None,
) -> Transcript:
    """Ask until every sample has ended; the file is written after each reply, so that the same call resumes.

    Args:
        samples: how many answers are wanted, numbered from 0.
        attempts: how often a sample is asked while its replies are invalid. A refusal and a truncated reply are never asked again.
        date: when foreign replies were collected; None: now.
    """
    transcript = begin(path, asked)
    # Greedy decoding and a collected file would say the same again.
    repeats = 1 if asked.decoding.temperature == 0 or asked.provider == "replies" else attempts
    stage = shown.stage(f"asking {asked.model} about {asked.task}", samples)
    for sample in range(samples):
        while not settled(transcript, question, sample, repeats):
            transcript = transcript.with_reply(_ask(provider, question, asked.decoding, sample, len(transcript.of_sample(sample)), date))
            write_transcript(transcript, path)
        stage.advance()
    return transcript


def settled(transcript: Transcript, question: Question, sample: int, attempts: int) -> bool:
    """Whether a sample needs no further reply."""
    replies = transcript.of_sample(sample)
    return len(replies) >= attempts or (bool(replies) and sample_of(replies[-1], question).outcome != "invalid")


def _ask(provider: Provider, question: Question, decoding: Decoding, sample: int, attempt: int, date: str | None) -> Reply:
    seed = None if decoding.seed is None else decoding.seed + STRIDE * sample + attempt
    heard = provider.ask(question, decoding, sample, seed or 0)
    # A model's text may hold halves of characters, which no file can; the rest of it is worth keeping.
    text = heard.text.encode("utf-8", "replace").decode()
    when = date or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Reply(
        sample=sample, attempt=attempt, seed=seed, date=when, finish=heard.finish, form=heard.form, served=heard.served[:200], text=text
    )


def samples_of(transcript: Transcript, question: Question) -> tuple[Sample, ...]:
    """Each sample as its last attempt left it."""
    return tuple(sample_of(transcript.of_sample(number)[-1], question) for number in transcript.samples)
