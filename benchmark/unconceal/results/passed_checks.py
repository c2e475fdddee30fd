"""What `results check` found before, so that it checks again only what changed since.

An entry's key is a digest of everything that its outcome depends on: the records of a folder, the specs of their suite and the source of
this package. An entry is used only under its key, so it can be missing but not stale.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from unconceal.files import write_atomically
from unconceal.paths import PACKAGE, DataRoot
from unconceal.specs.digests import canonical_digest, file_digest
from unconceal.specs.problems import Problem
from unconceal.specs.record import MAX_RECORD_BYTES

FOLDER = "checked"


class FolderFacts(NamedTuple):
    """What comparisons between folders need of one record."""

    path: str
    suite: str
    submission: str
    task: str
    keys: list[list[str]]
    """Kind and digest of its numbers and of its weights, see :mod:`unconceal.results.copied_records`."""


class FolderOutcome(NamedTuple):
    """The problems of a folder's records, their facts, and the keys of records that were recomputed without a difference."""

    problems: list[Problem]
    facts: list[FolderFacts]
    reproduced: list[str]


class PassedChecks:
    """The outcomes of one data root, in a file beside the store of images."""

    def __init__(self, root: DataRoot) -> None:
        name = hashlib.sha256(str(root.results).encode()).hexdigest()[:16]
        self.path = root.store.with_name(f"{root.store.name}-{FOLDER}") / f"{name}.json"
        self.folders: dict[str, FolderOutcome] = {}
        self.reproduced: frozenset[str] = frozenset()
        try:
            values = json.loads(self.path.read_bytes())
            self.folders = {key: _outcome(value) for key, value in values["folders"].items()}
            self.reproduced = frozenset(values["reproduced"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # A cache that cannot be read is empty.

    def save(self, outcomes: dict[str, FolderOutcome]) -> None:
        """Replaces the file by the outcomes of this run; what no folder has any more is forgotten."""
        folders = {key: [[asdict(it) for it in outcome.problems], *outcome[1:]] for key, outcome in outcomes.items()}
        reproduced = sorted({key for outcome in outcomes.values() for key in outcome.reproduced})
        text = json.dumps({"folders": folders, "reproduced": reproduced}, default=str)
        # Without the file, the next run checks everything again.
        with suppress(OSError):
            write_atomically(self.path, text.encode())


def folder_key(folder: Path, specs: str, recompute: bool) -> str:
    """The key of a folder: the bytes of its records and of the images beside them, what they are checked against, and how."""
    files = [[path.name, _content_key(path)] for path in sorted(folder.iterdir())]
    return canonical_digest([str(folder), files, specs, recompute])


def _content_key(path: Path) -> str:
    """The digest of a file's bytes; of what is never opened, links and files that are too large, only that it is so."""
    if path.is_symlink() or not path.is_file():
        return "no regular file"
    size = path.stat().st_size
    return file_digest(path) if size <= MAX_RECORD_BYTES else f"{size} bytes"


def specs_key(root: DataRoot, suite: str) -> str:
    """A digest of the suite's specs and of this package's source."""
    folders = (root.tasks / suite, root.submissions / suite)
    paths = sorted(path for folder in folders for path in folder.rglob("*.yaml"))
    return canonical_digest([package_digest(), [[str(path), file_digest(path)] for path in paths]])


@cache
def package_digest() -> str:
    """A digest of the source of this package."""
    return canonical_digest([[path.relative_to(PACKAGE).as_posix(), file_digest(path)] for path in sorted(PACKAGE.rglob("*.py"))])


def _outcome(values: list[Any]) -> FolderOutcome:
    problems, facts, reproduced = values
    return FolderOutcome([Problem(**{**it, "file": Path(it["file"])}) for it in problems], [FolderFacts(*it) for it in facts], reproduced)
