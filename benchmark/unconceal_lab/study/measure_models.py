"""Measures every member of the population: the first stage of all, then the next.

A member's row is a file of its own below the workshop, filled in stage by stage, so that the study resumes wherever it was stopped and
several processes can share the work. Rows that travel with the source count as measured, on whatever machine they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from unconceal.files import write_atomically
from unconceal.generate.locks import claimed
from unconceal_lab.study.population import Member
from unconceal_lab.study.stages import MAKING, STAGES, Stage
from unconceal_lab.study.study import Study


def ready(study: Study, member: Member) -> bool:
    """Whether the training that a member is made of is there: trainings are the build's, the study makes everything else."""
    return member.trained is None or study.shop.exists(f"{member.trained}.pt") or member.place(study.folder).exists()


class Job(NamedTuple):
    """One stage of one member, and the minutes it is expected to take."""

    stage: Stage
    member: Member
    minutes: float


def left(study: Study, wanted: Sequence[Member]) -> list[Job]:
    """What is not measured yet: the first stage of every member, then the next."""
    rows = {member: study.row(member) for member in wanted}
    jobs = []
    for place, stage in enumerate(STAGES):
        for member, row in rows.items():
            if not getattr(row, stage.fills) and stage.of(member, study.setting):
                making = MAKING if place == 0 and member.make and not member.place(study.folder).exists() else 0
                jobs.append(Job(stage, member, making + stage.minutes))
    return jobs


def run(study: Study, jobs: Sequence[Job]) -> None:
    """Do the jobs one after the other; processes started side by side share them."""
    say = study.shop.progress.say
    say(f"{len(jobs)} measurements to make, about {sum(job.minutes for job in jobs) / 60:.1f} CPU hours on one thread")
    for stage, member, _ in jobs:
        with claimed(study.folder / "claims", f"{member.task.replace('/', '.')}.{study.place(member).stem}", wait=False) as mine:
            row = study.row(member) if mine else None
            if row is None or getattr(row, stage.fills):
                continue
            if not ready(study, member):
                say(f"{member.name} on {member.task}: not measured, its model is not trained yet")
                continue
            fresh = row.model_copy(update=dict(stage.measure(study, member)))
            study.place(member).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(study.place(member), fresh.model_dump_json(exclude_defaults=True).encode())
            say(f"{member.name} on {member.task}: {stage.name} measured")
