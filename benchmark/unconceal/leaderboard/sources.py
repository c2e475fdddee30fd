"""Suites, tasks and submissions behind records. A record stays readable without them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from unconceal.errors import UnconcealError
from unconceal.paths import DataRoot
from unconceal.ranking.ranking_rules import RankingRules
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.document import Document
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Scoring, Suite
from unconceal.specs.task import Task


@dataclass(frozen=True)
class Sources:
    """The specs of a data root, looked up for records; None where a spec is missing.

    Attributes:
        root: the data root.
        submissions: submissions that are known already, by ``suite/name``.
    """

    root: DataRoot
    submissions: Mapping[str, Submission] = field(default_factory=dict, hash=False)

    def suite(self, name: str, version: int) -> Suite | None:
        """The suite, if its file is still of this version."""
        suite = _suite(self.root, name)
        return suite if suite is not None and suite.version == version else None

    def task(self, suite: str, task: str) -> Task | None:
        return _task(self.root, f"{suite}:{task}")

    def submission(self, row: ResultRow) -> Submission | None:
        name = f"{row.record.suite}/{row.record.submission}"
        return self.submissions.get(name) or _submission(self.root, name)

    def suite_title(self, table: ResultTable) -> str | None:
        suite = self.suite(table.suite, table.version)
        return suite.title if suite else None

    def scoring(self, table: ResultTable) -> Scoring | None:
        """The parameters of the table's scores and verdicts; None if the suite's file is of another version."""
        suite = self.suite(table.suite, table.version)
        return suite.scores if suite else None

    def rules(self, table: ResultTable) -> RankingRules:
        """The rules by which the table is ranked."""
        return RankingRules.from_suite(self.suite(table.suite, table.version), table.tier)

    def links(self, row: ResultRow) -> tuple[str | None, str | None]:
        """(paper, code) of a submission; web addresses only."""
        submission = self.submission(row)
        return (_web_address(submission.paper), _web_address(submission.code)) if submission else (None, None)

    def checkpoint(self, row: ResultRow, folder: Path) -> str | None:
        """The page of a submission's weights on the Hub, or else the submission's file relative to a folder of the data root."""
        submission, record = self.submission(row), row.record
        if submission is None:
            return None
        checkpoint = submission.checkpoints.get(record.task)
        if checkpoint and checkpoint.repo:
            return f"https://huggingface.co/{checkpoint.repo}/tree/{checkpoint.revision}"
        target = self.root.tasks.parent / f"submissions/{record.suite}/{record.submission}.yaml"
        return Path(os.path.relpath(target, folder.resolve())).as_posix()

    @property
    def site(self) -> str | None:
        """The address of the results' website in CITATION.cff; None without one."""
        return _site(self.root)


def _web_address(text: str | None) -> str | None:
    """A web address without characters that could break out of a link, else None."""
    safe = text is not None and text.startswith(("https://", "http://")) and not set(text) & set(" \t\r\n()<>\"'`|\\[]")
    return text if safe else None


@cache
def _site(root: DataRoot) -> str | None:
    citation = root.tasks.parent / "CITATION.cff"
    values = Document.read(citation).values if citation.is_file() else None
    url = values.get("url") if isinstance(values, dict) else None
    return _web_address(f"{url.rstrip('/')}/") if isinstance(url, str) else None


@cache
def _suite(root: DataRoot, name: str) -> Suite | None:
    try:
        return load_suite(root, name)
    except (UnconcealError, OSError):
        return None


@cache
def _task(root: DataRoot, reference: str) -> Task | None:
    try:
        return load_task(root, reference)
    except (UnconcealError, OSError):
        return None


@cache
def _submission(root: DataRoot, reference: str) -> Submission | None:
    try:
        return load_submission(root, reference)
    except (UnconcealError, OSError):
        return None
