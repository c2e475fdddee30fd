"""Specs: suites, tasks and submissions, which people write, and records, which the suite writes (no torch)."""

from unconceal.specs.digests import canonical_digest, file_digest, folder_digest
from unconceal.specs.loader import all_submissions, all_tasks, load_probes, load_submission, load_suite, load_task, read_yaml
from unconceal.specs.probe_set import ProbeSet
from unconceal.specs.problems import Problem, SpecProblems
from unconceal.specs.record import Record, read_record, write_record
from unconceal.specs.submission import Checkpoint, Submission
from unconceal.specs.suite import FineTune, Scoring, Suite, Tier
from unconceal.specs.task import Prompt, Task

__all__ = [
    "Checkpoint",
    "FineTune",
    "ProbeSet",
    "Problem",
    "Prompt",
    "Record",
    "Scoring",
    "SpecProblems",
    "Submission",
    "Suite",
    "Task",
    "Tier",
    "all_submissions",
    "all_tasks",
    "canonical_digest",
    "file_digest",
    "folder_digest",
    "load_probes",
    "load_submission",
    "load_suite",
    "load_task",
    "read_record",
    "read_yaml",
    "write_record",
]
