"""Freeze the replies of a language model into the probe set of a task, and write its file."""

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
from unconceal.probes.lexical_filter import find_name
from unconceal.probes.prompt import Question
from unconceal.probes.rate_images import Ratings
from unconceal.probes.transcript import Transcript
from unconceal.specs.elicitation import Answer, Sample, normalize_name
from unconceal.specs.probe_set import FrozenAttack, ProbeSet, RatingFile, ReplyFile, SampleCounts
from unconceal.specs.spec import Json

MIN_SAMPLES = 2
"""Fewer samples have no standard deviation."""
HINT = "# yaml-language-server: $schema=../../../../schemas/probes.schema.json\n"


def with_image_ratings(probes: ProbeSet, ratings: Ratings, file: RatingFile) -> ProbeSet:
    """Add the same model's ratings of how similar θ's images look.

    Raises:
        CheckFailed: the ratings belong to another model or task.
    """
    request = ratings.request
    if (request.suite, request.task, request.model) != (probes.suite, probes.task, probes.model):
        value = f"ratings of {request.model} for {request.suite}:{request.task}"
        raise CheckFailed(
            "ratings.mismatch",
            value,
            f"belong to no set of {probes.model} for {probes.suite}:{probes.task}",
            "name the ratings of that model and task",
        )
    similarities = ratings.by_neighbour
    neighbours = tuple(
        neighbour.model_copy(update={"visual_similarity": similarities.get(neighbour.concept)}) for neighbour in probes.neighbours
    )
    return probes.model_copy(update={"neighbours": neighbours, "ratings": file})


def freeze(transcript: Transcript, question: Question, file: ReplyFile, min_samples: int = MIN_SAMPLES) -> ProbeSet:
    """Build the probe set from the replies, without attacks that name the target. Equal replies give equal sets.

    Args:
        question: the prompt, with the target's names and the listed concepts.
        file: reference to the raw replies, stored in the set.
        min_samples: minimum number of answered samples.

    Raises:
        CheckFailed: the prompt has changed, too few samples answered, or several models replied.
    """
    request = transcript.request
    replies = f"the replies of {request.model} about {request.task}"
    if request.prompt_digest != question.digest:
        consequence = "answer an older prompt of this task"
        raise CheckFailed("probes.prompt-changed", replies, consequence, "elicit again, or freeze with the old task file")
    samples = samples_of(transcript, question)
    answers = answers_of(samples)
    if len(answers) < max(1, min_samples):
        raise CheckFailed(
            "probes.too-few-answers",
            replies,
            f"hold {outcome_summary(samples)}, fewer than {max(1, min_samples)} answers",
            "ask for more samples, or give --min-answers",
        )
    attacks, dropped = unique_attacks(samples, question.names)
    return ProbeSet(
        **{**request.model_dump(), "revision": request.revision or serving_model(transcript, replies)},
        forms=tuple(sorted({sample.reply.form for sample in samples if sample.answer})),
        date=max(reply.date for reply in transcript.replies),
        samples=tally(samples, len(transcript.replies)),
        agreement=agreement([answer.ranking for answer in answers]),
        neighbours=ranked_neighbours(answers),
        attacks=attacks,
        n_dropped_attacks=dropped,
        replies=file,
    )


def serving_model(transcript: Transcript, replies: str) -> str | None:
    """The model's name as reported by the server.

    Raises:
        CheckFailed: the replies come from several models.
    """
    names = sorted({reply.served for reply in transcript.replies if reply.served})
    if len(names) > 1:
        consequence = f"come from several models ({', '.join(names)})"
        raise CheckFailed("probes.several-models", replies, consequence, "elicit again from one of them")
    return names[0] if names else None


def unique_attacks(samples: Iterable[Sample], names: Collection[str]) -> tuple[tuple[FrozenAttack, ...], int]:
    """Unique attacks in sample order, and the number dropped because they name the target."""
    attacks: dict[str, FrozenAttack] = {}
    for sample in samples:
        for attack in sample.answer.attacks if sample.answer else ():
            attacks.setdefault(normalize_name(attack.prompt), FrozenAttack(**attack.model_dump(), sample=sample.reply.sample))
    name_free = tuple(attack for attack in attacks.values() if not find_name(attack.prompt, names))
    return name_free, len(attacks) - len(name_free)


def tally(samples: Sequence[Sample], replies: int) -> SampleCounts:
    """Counts of samples by outcome."""
    counts = Counter(sample.outcome for sample in samples)
    ended: dict[str, int] = {name: counts[name] for name in ("answered", "refused", "truncated", "invalid")}
    return SampleCounts(requested=len(samples), replies=replies, **ended)


def outcome_summary(samples: Sequence[Sample]) -> str:
    """``8 samples: 6 answered, 2 refused``, with the first failure's reason."""
    counts = Counter(sample.outcome for sample in samples)
    ended = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    reason = next((sample.reason for sample in samples if sample.reason), "")
    return f"{len(samples)} samples: {ended or 'none'}" + (f" ({reason})" if reason else "")


def to_yaml(probes: ProbeSet) -> str:
    """The YAML text of a probe set."""
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width, yaml.sort_base_mapping_type_on_output = False, 10_000, False
    stream = StringIO()
    yaml.dump(yaml_values(probes), stream)
    return HINT + stream.getvalue()


def yaml_values(probes: ProbeSet) -> Json:
    """The set's values without empty optional fields."""
    values: Json = probes.model_dump(mode="json")
    for neighbour in values["neighbours"]:
        if neighbour["visual_similarity"] is None:
            del neighbour["visual_similarity"]
    return {name: value for name, value in values.items() if value is not None}


def answers_of(samples: Iterable[Sample]) -> list[Answer]:
    """The valid answers."""
    return [sample.answer for sample in samples if sample.answer is not None]


def replies_file(folder: Path, stem: str) -> Path:
    """Path of a language model's raw replies."""
    return folder / f"{stem}.replies.jsonl"
