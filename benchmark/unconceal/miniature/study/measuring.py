"""Measures every member of the population: its record, as any submission's, and what it takes to learn its concept again.

Everything made is a file of its own below the workshop, so that the study resumes wherever it was stopped, and several processes can
share the work.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

from torch import nn

from unconceal.checkpoints.apply import apply
from unconceal.evaluation.run import Evaluation
from unconceal.evaluation.settle import settle
from unconceal.files import write_atomically
from unconceal.miniature.building.asking import task_of
from unconceal.miniature.building.workshop import Workshop
from unconceal.miniature.study import newcomers
from unconceal.miniature.study.population import Member, make_weights, members
from unconceal.miniature.study.relearning import Learning, Recipe, relearn
from unconceal.paths import DataRoot
from unconceal.specs.record import Record
from unconceal.specs.submission import Checkpoint, Submission
from unconceal.specs.suite import Seeds, Suite, Tier
from unconceal.specs.task import Task

GRID = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""On the first version's 22 rows this grid and its sixteen points give excesses that differ by .012 on average, .026 at most."""
PROMPTS, RETAINED, EXTRACTORS = 36, 20, ("resnet18",)
MAKING, MEASURING, RELEARNING = 1.2, 4.7, 1.2
"""Expected processor minutes of each part, one thread; the last two as measured on one gold of zara."""


def suite_of(published: Suite) -> Suite:
    """The published suite with the study's own tier: every prompt, a coarser grid, one extractor."""
    full = published.tiers["full"]
    seeds = Seeds(train=2, reference=2, evaluation=2, retain=2)
    tier = Tier(psi=GRID, retain_psi=full.retain_psi, seeds=seeds, prompts=PROMPTS, retain_prompts=RETAINED, extractors=EXTRACTORS)
    return published.model_copy(update={"version": published.version + 1, "tiers": {"full": tier}})


@dataclass
class Study:
    """The study's place: a folder of the workshop that holds weights, results and learning curves."""

    shop: Workshop
    root: DataRoot
    suite: Suite
    recipe: Recipe = field(default_factory=Recipe)

    @classmethod
    def of(cls, shop: Workshop, data: DataRoot, published: Suite) -> Study:
        """The study in ``shop``, on what ``published`` measures by; ``data`` tells where the tree and the store are."""
        folder = shop.folder / "study"
        place = replace(data, submissions=folder / "submissions", results=folder / "results", read_only=False)
        return cls(shop, place, suite_of(published))

    @property
    def folder(self) -> Path:
        return self.root.submissions.parent

    @cached_property
    def evaluation(self) -> Evaluation:
        return Evaluation(self.suite, self.root, "full", threads=1, progress=self.shop.progress)

    @cached_property
    def seen(self) -> nn.Module:
        """The classifier that tells what relearning models draw."""
        return newcomers.classifier(self.shop)

    def task(self, member: Member) -> Task:
        return task_of(member.concept, member.category)

    def submission(self, member: Member) -> Submission:
        """The member as a submission of its task alone."""
        path = member.place(self.folder).relative_to(self.folder).as_posix()
        checkpoint = Checkpoint(format="original") if member.make is None else Checkpoint(path=path)
        told = f"{member.kind} model of the study"
        return Submission(
            name=member.name, suite=self.suite.name, title=member.name, description=told, checkpoints={member.task: checkpoint}
        )

    def learning_place(self, member: Member) -> Path:
        return self.folder / "relearning" / member.task / f"{member.name}.json"

    def record(self, member: Member) -> Record | None:
        """The member's record, not read against golds; None: not measured yet."""
        made = member.make is None or member.place(self.folder).exists()
        return self.evaluation.stored(self.task(member), self.submission(member)) if made else None

    def settled(self, member: Member, golds: Sequence[Record]) -> Record | None:
        """The member's record read against any golds."""
        record = self.record(member)
        return None if record is None else settle(record, golds, self.suite, self.task(member))

    def learnings(self, member: Member) -> tuple[Learning, Learning] | None:
        """How the concept was learnt again, and how a newcomer was; None: not measured yet."""
        place = self.learning_place(member)
        if not place.exists():
            return None
        told = json.loads(place.read_text())
        if told["recipe"] != json.loads(json.dumps(asdict(self.recipe))):
            return None
        return tuple(Learning(tuple(one["steps"]), tuple(one["rates"]), one["minutes"]) for one in told["learnt"])  # type: ignore[return-value]

    def measure(self, member: Member) -> None:
        """Make, evaluate and relearn a member, whatever of it is missing."""
        make_weights(self.shop, member, self.folder)
        if self.record(member) is None:
            self.evaluation.measured_anew(self.task(member), self.submission(member))
        if self.learnings(member) is None:
            pipe = self.evaluation.instruments.base
            if member.make is not None:
                pipe, _ = apply(pipe, member.place(self.folder))
            wanted = (member.concept, newcomers.NEWCOMERS[member.category])
            learnt = [relearn(pipe, concept, self.seen, self.recipe, self.shop.progress.say)._asdict() for concept in wanted]
            place = self.learning_place(member)
            place.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(place, json.dumps({"recipe": asdict(self.recipe), "learnt": learnt}).encode())

    def left(self, wanted: Sequence[Member]) -> list[tuple[Member, float]]:
        """Members that are not all measured, with the minutes they are expected to take."""
        found = []
        for member in wanted:
            made = member.make is None or member.place(self.folder).exists()
            minutes = (0 if made else MAKING) + (0 if self.record(member) else MEASURING) + (0 if self.learnings(member) else RELEARNING)
            if minutes:
                found.append((member, minutes))
        return found


@contextmanager
def claimed(folder: Path, name: str) -> Iterator[bool]:
    """Whether this process may do a piece of work: no other that is alive has claimed it."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / name
    try:
        place.open("x").write(str(os.getpid()))
    except FileExistsError:
        holder = place.read_text()
        if holder and _alive(int(holder)):
            yield False
            return
        place.write_text(str(os.getpid()))
    try:
        yield True
    finally:
        place.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def run(study: Study, wanted: Sequence[Member] | None = None) -> None:
    """Measure what is missing, one member after the other; processes started side by side share the work."""
    say = study.shop.progress.say
    left = study.left(members() if wanted is None else wanted)
    say(f"{len(left)} models to measure, about {sum(minutes for _, minutes in left) / 60:.1f} CPU hours on one thread")
    for member, _ in left:
        with claimed(study.folder / "claims", f"{member.task.replace('/', '.')}.{member.name}") as mine:
            if mine:
                study.measure(member)
                say(f"{member.name} on {member.task}: measured")
