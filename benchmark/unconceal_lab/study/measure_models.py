"""Measures every member of the population: the first stage of all members, then the next stage.

A member's row is one file in the build directory, filled in stage by stage. The study resumes wherever it was stopped, and several
processes can share the work. Rows stored with the source count as measured on any machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from unconceal.files import write_atomically
from unconceal.generate.locks import locked
from unconceal_lab.study.population import Member
from unconceal_lab.study.stages import STAGES, UNLEARNING_MINUTES, MeasurementStage
from unconceal_lab.study.study import Study
from unconceal_lab.study.study_rows import Row, refuse_mixed_weights


def is_ready(study: Study, member: Member) -> bool:
    """Whether the member's training exists: the build makes trainings, the study makes everything else."""
    return member.training is None or study.build_dir.exists(f"{member.training}.pt") or member.weights_path(study.folder).exists()


class MeasurementJob(NamedTuple):
    """One stage of one member and its expected minutes."""

    stage: MeasurementStage
    member: Member
    minutes: float


def pending_jobs(study: Study, members: Sequence[Member]) -> list[MeasurementJob]:
    """Jobs that are not measured yet: the first stage of every member, then the next."""
    rows = {member: study.row(member) for member in members}
    jobs = []
    for index, stage in enumerate(STAGES):
        for member, row in rows.items():
            if not getattr(row, stage.result_field) and stage.applies_to(member, study.setting):
                unlearn = index == 0 and member.build_weights and not member.weights_path(study.folder).exists()
                jobs.append(MeasurementJob(stage, member, stage.minutes + (UNLEARNING_MINUTES if unlearn else 0)))
    return jobs


def run_jobs(study: Study, jobs: Sequence[MeasurementJob]) -> None:
    """Run the jobs in order; concurrent processes share them through locks.

    Raises:
        CheckFailed: a member's weights differ from those of its earlier stages.
    """
    log = study.build_dir.progress.log
    log(f"{len(jobs)} measurements to make, about {sum(job.minutes for job in jobs) / 60:.1f} CPU hours on one thread")
    for stage, member, _ in jobs:
        lock_name = f"{member.task.replace('/', '.')}.{study.row_path(member).stem}"
        with locked(study.folder / "claims", lock_name, wait=False) as acquired:
            row = study.row(member) if acquired else None
            if row is None or getattr(row, stage.result_field):
                continue
            if not is_ready(study, member):
                log(f"{member.name} on {member.task}: not measured, its model is not trained yet")
                continue
            measured = with_stage(row, stage.name, stage.measure(study, member))
            write_atomically(study.row_path(member), measured.model_dump_json(exclude_defaults=True).encode())
            log(f"{member.name} on {member.task}: {stage.name} measured")


def with_stage(row: Row, stage: str, values: Mapping[str, object]) -> Row:
    """The row with a stage's values and the digest of the weights that they were measured on.

    Args:
        row: The row so far.
        stage: Name of the stage.
        values: Fields of the row; ``weights`` is the digest of the weights.

    Raises:
        CheckFailed: an earlier stage was measured on other weights.
    """
    digest = values.get("weights")
    stage_weights = row.stage_weights | ({stage: str(digest)} if digest else {})
    updated = row.model_copy(update={**values, "weights": row.weights or digest, "stage_weights": stage_weights})
    refuse_mixed_weights([updated])
    return updated
