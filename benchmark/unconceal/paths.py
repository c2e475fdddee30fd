"""Paths of tasks, submissions, results and generated images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from unconceal.errors import UsageError
from unconceal.files import is_below

PACKAGE = Path(__file__).resolve().parent
PACKAGED_DATA = PACKAGE / "data"
SOURCE_TREE = PACKAGE.parents[1]
IN_PACKAGE = "package:"


@dataclass(frozen=True)
class DataRoot:
    """The folders that a command reads and writes. ``read_only``: tasks and submissions are packaged in the wheel."""

    tasks: Path
    submissions: Path
    results: Path
    store: Path
    read_only: bool

    @classmethod
    def find(cls, root: Path | None = None) -> DataRoot:
        """Find the data root.

        In this order: ``root``; the working directory if it has ``tasks/``; the source tree of an editable install; the data
        packaged in the wheel. The latter is read-only: results then go to the working directory.

        Raises:
            UsageError: ``root`` has no ``tasks/`` folder, or no data root exists at all.
        """
        if root is not None:
            return cls._writable(_with_tasks(Path(root)))
        for folder in (Path.cwd(), SOURCE_TREE):
            if (folder / "tasks").is_dir():
                return cls._writable(folder)
        if (PACKAGED_DATA / "tasks").is_dir():
            return cls(PACKAGED_DATA / "tasks", PACKAGED_DATA / "submissions", Path.cwd() / "results", store_folder(), read_only=True)
        raise UsageError("root.no-tasks", str(Path.cwd()), "has no tasks/ folder, and none is packaged", "name one with --root")

    @property
    def result_folders(self) -> tuple[Path, ...]:
        """Folders of records: the results folder and, if tasks are packaged, the packaged results."""
        return (self.results, PACKAGED_DATA / "results") if self.read_only else (self.results,)

    @classmethod
    def _writable(cls, folder: Path) -> DataRoot:
        folder = folder.resolve()
        return cls(folder / "tasks", folder / "submissions", folder / "results", store_folder(), read_only=False)


def _with_tasks(folder: Path) -> Path:
    if not (folder / "tasks").is_dir():
        raise UsageError(
            "root.no-tasks", f"--root {folder}", "has no tasks/ folder, so there is nothing to evaluate", "name a folder that holds tasks/"
        )
    return folder


def store_folder() -> Path:
    """Folder of generated images: ``$UNCONCEAL_STORE``, or a folder in the user's cache."""
    configured = os.environ.get("UNCONCEAL_STORE")
    return Path(configured).expanduser() if configured else Path.home() / ".cache" / "unconceal" / "store"


def resolve_path(reference: str, root: DataRoot) -> Path:
    """Resolve a path of a spec: ``package:…`` is inside the installed package, others are relative to the data root.

    Raises:
        UsageError: the reference is absolute, leaves its folder with ``..``, or is a link out of it.
    """
    relative = reference.removeprefix(IN_PACKAGE)
    if escapes(relative):
        raise UsageError(
            "path.outside-root", reference, "leaves the folder it belongs to, so it is not opened", "give a relative path without '..'"
        )
    folder = PACKAGE if reference.startswith(IN_PACKAGE) else root.submissions.parent
    if not is_below(folder / relative, folder):
        raise UsageError(
            "path.link", reference, "is a link out of the folder it belongs to, so it is not opened", "put the file itself there"
        )
    return folder / relative


def escapes(reference: str) -> bool:
    """Whether a path is absolute on any operating system, contains ``..``, or names the folder itself."""
    parts = PurePosixPath(reference.replace("\\", "/"))
    return not parts.parts or parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]
