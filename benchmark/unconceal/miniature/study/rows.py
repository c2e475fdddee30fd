"""One flat row for each model of the study: everything that the findings read, small enough to travel with the source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from unconceal.evaluation.settle import presence
from unconceal.files import write_atomically
from unconceal.generate.worker import branch_name
from unconceal.miniature.captions import wordings
from unconceal.miniature.classifiers import recognise
from unconceal.miniature.study import surrogates
from unconceal.miniature.study.measuring import Study
from unconceal.miniature.study.population import Kind, Member
from unconceal.miniature.study.relearning import Learning, relative_area
from unconceal.specs.record import Label, Record
from unconceal.specs.spec import Spec

PerPrompt = tuple[tuple[float, ...], ...]


class Row(Spec):
    """What is known of a model, what was measured, and the truths that no metric has a part in.

    Attributes:
        task, name, kind, truth, share, held_out: as in :class:`population.Member`.
        label: the verdict, read against the task's golds (leave-one-out for golds).
        scores: of the record, by name; None: undefined there.
        psi: the grid; ``prompt`` and ``empty``: presence rates, (prompts, ψ); ``retain``: (retain prompts, retain ψ).
        unseen: share of pictures, wholly the model's own, that show the concept when asked by wordings without its name.
        relearning: time to learn the concept over time to learn a newcomer.
        learnt: areas of the two learning curves.
    """

    task: str
    name: str
    kind: Kind
    truth: Label | None
    share: float | None
    held_out: bool
    label: Label
    scores: dict[str, float | None]
    psi: tuple[float, ...]
    prompt: PerPrompt
    empty: PerPrompt
    retain_psi: tuple[float, ...]
    retain: PerPrompt
    unseen: float | None = None
    relearning: float | None = None
    learnt: tuple[float, float] | None = None
    rates: PerPrompt = ()


def rows_of(study: Study, wanted: Sequence[Member]) -> Iterator[Row]:
    """A row for every member that is measured, read against whatever golds of its task are."""
    for member in wanted:
        golds = [record for gold in wanted if gold.kind == "gold" and gold.task == member.task and (record := study.record(gold))]
        record = study.settled(member, golds)
        if record is not None:
            yield row_of(study, member, record)


def surrogate_rows(study: Study, wanted: Sequence[Member]) -> Iterator[Row]:
    """A row for every surrogate that is measured: its curves alone, and no verdict."""
    for original in (member for member in wanted if member.kind == "original"):
        for name in surrogates.names_for(original.concept):
            if surrogates.made(study, original, name):
                curves = surrogates.measure(study, original, name)
                known = {"task": original.task, "held_out": original.held_out, "kind": "surrogate", "truth": None, "share": 0.0}
                told = {"prompt": plain(curves["prompt"]), "empty": plain(curves["empty"]), "retain": (), "retain_psi": ()}
                yield Row.model_validate(
                    {**known, **told, "name": name, "label": "undetermined", "scores": {}, "psi": study.evaluation.tier.psi}
                )


def row_of(study: Study, member: Member, record: Record) -> Row:
    """A settled record and the member's independent truths."""
    learnt: tuple[Learning, Learning] | None = study.learnings(member)
    prompt, retain = presence(record, "prompt"), presence(record, "prompt", "retain")
    return Row(
        task=member.task, name=member.name, kind=member.kind, truth=member.truth, share=member.share, held_out=member.held_out,
        label=record.verdict.label, scores={name: score.value for name, score in record.scores.items()},
        psi=prompt.psi, prompt=plain(prompt.per_prompt), empty=plain(presence(record, "empty").per_prompt),
        retain_psi=retain.psi, retain=plain(retain.per_prompt), unseen=unseen_wordings(study, member),
        relearning=relative_area(*learnt) if learnt else None,
        learnt=(learnt[0].area, learnt[1].area) if learnt else None,
        rates=(learnt[0].rates, learnt[1].rates) if learnt else (),
    )  # fmt: skip


def plain(values: Iterable[Iterable[float | None]]) -> PerPrompt:
    """Rates per prompt as they are stored; every prompt has one."""
    return tuple(tuple(round(value or 0.0, 4) for value in row) for row in values)


def unseen_wordings(study: Study, member: Member) -> float | None:
    """What the drawings classifier sees at ψ = 0 when the concept is asked for without its name; None: no picture is stored.

    Unlearners are told the name alone, so these are words that they never saw.
    """
    task = study.task(member)
    block = study.evaluation.plan(task, study.submission(member)).evaluation
    shards = [study.evaluation.store.get(shard) for shard in block.handovers]
    if any(shard is None for shard in shards):
        return None
    pixels = np.concatenate([shard[branch_name("prompt", 0)] for shard in shards if shard is not None])
    texts = np.repeat([prompt.text for prompt in task.forget[: len(block.prompts)]], block.seeds)
    named = [form for form in wordings(member.concept) if member.concept in form]
    chosen = [i for i, text in enumerate(texts) if not any(form.replace("{}", "").strip() in text for form in named)]
    seen = recognise(study.shop.truth, pixels[chosen])[task.judge.head]
    return float(np.mean([name == task.judge.label for name in seen]))


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """JSON lines, sorted by task and name, so that a new measurement is a readable change."""
    ordered = sorted(rows, key=lambda row: (row.task, row.name))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(row.model_dump_json() + "\n" for row in ordered).encode())


def read_rows(path: Path) -> list[Row]:
    """What :func:`write_rows` wrote."""
    return [Row.model_validate_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
