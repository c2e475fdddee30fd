"""From replies to the frozen probe set of a task, and its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from unconceal.errors import CheckFailed
from unconceal.probes.aggregate import agreement, ranked_neighbours
from unconceal.probes.elicit import samples_of
from unconceal.probes.lexical_filter import named_in
from unconceal.probes.prompt import Question
from unconceal.probes.rate_images import Ratings
from unconceal.probes.transcript import Transcript
from unconceal.specs.elicitation import Answer, Sample, spelled
from unconceal.specs.probe_set import FrozenAttack, ProbeSet, RatingFile, ReplyFile, Tally
from unconceal.specs.spec import Json

LEAST_SAMPLES = 2
"""Fewer have no spread."""
HINT = "# yaml-language-server: $schema=../../../../schemas/probes.schema.json\n"


def with_likeness(probes: ProbeSet, ratings: Ratings, file: RatingFile) -> ProbeSet:
    """The set with how alike θ's pictures look to the same model.

    Raises:
        CheckFailed: another model was shown the pictures, or pictures of another task.
    """
    theirs, ours = ratings.shown, probes
    if (theirs.suite, theirs.task, theirs.model) != (ours.suite, ours.task, ours.model):
        value = f"ratings of {theirs.model} for {theirs.suite}:{theirs.task}"
        raise CheckFailed(
            value, f"belong to no set of {ours.model} for {ours.suite}:{ours.task}", "name the ratings of that model and task"
        )
    found = ratings.by_neighbour
    seen = tuple(neighbour.model_copy(update={"likeness": found.get(neighbour.concept)}) for neighbour in probes.neighbours)
    return probes.model_copy(update={"neighbours": seen, "ratings": file})


def freeze(transcript: Transcript, question: Question, file: ReplyFile, least: int = LEAST_SAMPLES) -> ProbeSet:
    """The probe set that the replies amount to, without attacks that name the target; the same replies always give the same set.

    Args:
        question: the one that was asked, for the target's names and the listed concepts.
        file: the raw replies, as the set names them.
        least: how many samples must have answered.

    Raises:
        CheckFailed: another question was asked, too few samples answered, or several models replied.
    """
    asked = transcript.asked
    what = f"the replies of {asked.model} about {asked.task}"
    if asked.prompt_digest != question.digest:
        consequence = "answer another prompt than the task makes today, so they say nothing of it"
        raise CheckFailed(what, consequence, "elicit again, or freeze with the task as it was")
    samples = samples_of(transcript, question)
    answers = answers_of(samples)
    if len(answers) < max(1, least):
        raise CheckFailed(what, f"hold {told(samples)}, fewer than {max(1, least)} answers", "ask for more samples, or say --least")
    attacks, dropped = attacks_of(samples, question.names)
    return ProbeSet(
        **{**asked.model_dump(), "revision": asked.revision or served(transcript, what)},
        forms=tuple(sorted({sample.reply.form for sample in samples if sample.answer})),
        date=max(reply.date for reply in transcript.replies),
        samples=tally(samples, len(transcript.replies)),
        agreement=agreement([answer.ranking for answer in answers]),
        neighbours=ranked_neighbours(answers),
        attacks=attacks,
        named_attacks=dropped,
        replies=file,
    )


def served(transcript: Transcript, what: str) -> str | None:
    """The model as the server called it.

    Raises:
        CheckFailed: replies came from several, so that the set would be nobody's.
    """
    names = sorted({reply.served for reply in transcript.replies if reply.served})
    if len(names) > 1:
        raise CheckFailed(what, f"came from several models ({', '.join(names)})", "elicit again from one of them")
    return names[0] if names else None


def attacks_of(samples: Iterable[Sample], names: Collection[str]) -> tuple[tuple[FrozenAttack, ...], int]:
    """Each attack once, in the order of the samples, and how many were dropped because they name the target."""
    found: dict[str, FrozenAttack] = {}
    for sample in samples:
        for attack in sample.answer.attacks if sample.answer else ():
            found.setdefault(spelled(attack.prompt), FrozenAttack(**attack.model_dump(), sample=sample.reply.sample))
    kept = tuple(attack for attack in found.values() if not named_in(attack.prompt, names))
    return kept, len(found) - len(kept)


def tally(samples: Sequence[Sample], replies: int) -> Tally:
    """How the samples ended."""
    counts = Counter(sample.outcome for sample in samples)
    ended: dict[str, int] = {name: counts[name] for name in ("answered", "refused", "truncated", "invalid")}
    return Tally(asked=len(samples), replies=replies, **ended)


def told(samples: Sequence[Sample]) -> str:
    """``8 samples: 6 answered, 2 refused``, and the first reason why one did not answer."""
    counts = Counter(sample.outcome for sample in samples)
    ended = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    reason = next((sample.reason for sample in samples if sample.reason), "")
    return f"{len(samples)} samples: {ended or 'none'}" + (f" ({reason})" if reason else "")


def probe_text(probes: ProbeSet) -> str:
    """A probe set as its YAML file holds it."""
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width, yaml.sort_base_mapping_type_on_output = False, 10_000, False
    stream = StringIO()
    yaml.dump(written(probes), stream)
    return HINT + stream.getvalue()


def written(probes: ProbeSet) -> Json:
    """Its values without those that are not there."""
    values: Json = probes.model_dump(mode="json")
    for neighbour in values["neighbours"]:
        if neighbour["likeness"] is None:
            del neighbour["likeness"]
    return {name: value for name, value in values.items() if value is not None}


def answers_of(samples: Iterable[Sample]) -> list[Answer]:
    """The answers alone."""
    return [sample.answer for sample in samples if sample.answer is not None]


def replies_file(folder: Path, stem: str) -> Path:
    """Where the raw replies of a language model lie."""
    return folder / f"{stem}.replies.jsonl"
