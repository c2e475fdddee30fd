"""What the tables need from the specs; a record stays readable when its spec is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from unconceal.errors import UnconcealError
from unconceal.paths import DataRoot
from unconceal.ranking.ranking_rules import Rules
from unconceal.results.result_tables import ResultRow, ResultTable
from unconceal.specs.document import Document
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Scoring, Suite
from unconceal.specs.task import Task


@dataclass(frozen=True)
class Sources:
    """Suites, tasks and submissions of a data root, looked up by what a record says; None where missing."""

    root: DataRoot
    known: Mapping[str, Submission] = field(default_factory=dict, hash=False)
    """Submissions that need not be read, by ``suite/name``."""

    def suite(self, name: str, version: int) -> Suite | None:
        """The suite file, if it still is of the record's version."""
        suite = _suite(self.root, name)
        return suite if suite is not None and suite.version == version else None

    def task(self, suite: str, task: str) -> Task | None:
        return _task(self.root, f"{suite}:{task}")

    def submission(self, row: ResultRow) -> Submission | None:
        name = f"{row.record.suite}/{row.record.submission}"
        return self.known.get(name) or _submission(self.root, name)

    def suite_title(self, board: ResultTable) -> str | None:
        suite = self.suite(board.suite, board.version)
        return suite.title if suite else None

    def scoring(self, board: ResultTable) -> Scoring | None:
        """The values that the board's scores and verdicts rest on; None if the suite has moved on to another version."""
        suite = self.suite(board.suite, board.version)
        return suite.scores if suite else None

    def rules(self, board: ResultTable) -> Rules:
        """What the board is ranked by."""
        return Rules.of(self.suite(board.suite, board.version), board.tier)

    def links(self, row: ResultRow) -> tuple[str | None, str | None]:
        """(paper, code) of a submission; only web addresses."""
        submission = self.submission(row)
        return (_address(submission.paper), _address(submission.code)) if submission else (None, None)

    def checkpoint(self, row: ResultRow) -> str | None:
        """Where a submission's weights are: their page on the Hub, else the file that describes them, as seen from the data root."""
        submission, record = self.submission(row), row.record
        found = submission.checkpoints.get(record.task) if submission else None
        if submission is None:
            return None
        if found and found.repo:
            return f"https://huggingface.co/{found.repo}/tree/{found.revision}"
        return f"submissions/{record.suite}/{record.submission}.yaml"

    @property
    def site(self) -> str | None:
        """The address that CITATION.cff gives as the results' website; None if it names none."""
        return _site(self.root)


def _address(text: str | None) -> str | None:
    """A web address that can do no harm in a link, else None."""
    safe = text is not None and text.startswith(("https://", "http://")) and not set(text) & set(" \t\r\n()<>\"'`|\\[]")
    return text if safe else None


@cache
def _site(root: DataRoot) -> str | None:
    citation = root.tasks.parent / "CITATION.cff"
    url = Document.read(citation).values.get("url") if citation.is_file() else None
    return _address(f"{url.rstrip('/')}/") if isinstance(url, str) else None


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
