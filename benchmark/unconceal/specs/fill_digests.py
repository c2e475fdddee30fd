"""Writes commits and digests into the files of suites and submissions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from unconceal.errors import CheckFailed
from unconceal.paths import DataRoot, resolve_path
from unconceal.specs.digests import path_digest
from unconceal.specs.document import Document
from unconceal.specs.loader import controls_file, load_controls, load_submission, load_suite, submission_files, suite_file
from unconceal.specs.problems import Location, dotted_name
from unconceal.specs.round_trip import round_trip_yaml, yaml_text
from unconceal.specs.spec import Pinned
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Suite

NEIGHBOURS = ("path", "revision")
"""Fields after which a new digest is inserted."""


def pinned_parts(suite: Suite) -> Iterator[tuple[Location, Pinned]]:
    """Every file or folder that a suite pins, with its location in ``suite.yaml``."""
    yield ("base",), suite.base
    yield ("judges", "concept"), suite.judges.concept
    yield ("judges", "clip"), suite.judges.clip
    for name, extractor in suite.judges.extractors.items():
        yield ("judges", "extractors", name), extractor


def pin_suite(root: DataRoot, name: str) -> dict[str, str]:
    """Write the digests of a suite's local base model and judges into its file.

    Returns:
        The changed digests by location.

    Raises:
        CheckFailed: a file is missing.
    """
    suite = load_suite(root, name)
    parts = [(location, part) for location, part in pinned_parts(suite) if part.repo is None]
    built = [(location, part) for location, part in parts if not (suite.draft and _is_unbuilt(part, root))]
    return fill_values(suite_file(root, name), {(*location, "digest"): _digest(resolve_path(part.path, root)) for location, part in built})


def pin_submissions(root: DataRoot, suite: str) -> dict[str, str]:
    """Write the SHA-256 of every local checkpoint into its submission; missing files are skipped.

    Returns:
        The changed digests by submission and location.
    """
    changes: dict[str, str] = {}
    for file in submission_files(root):
        if file.suite == suite:
            submission = load_submission(root, f"{file.suite}/{file.name}")
            written = fill_values(file.path, dict(_checkpoint_digests(submission, root)))
            changes |= {f"{file.name}: {location}": digest for location, digest in written.items()}
    return changes


def pin_controls(root: DataRoot, suite: str) -> dict[str, str]:
    """Write the SHA-256 of every declared control's local weights into ``controls.yaml`` and into the control's own file.

    Both at once, since a control whose file disagrees with its declaration is refused.

    Returns:
        The changed digests by submission and location.
    """
    controls, changes = load_controls(root, suite), dict[str, str]()
    for file in submission_files(root) if controls else ():
        if file.suite != suite or controls is None or file.name not in controls.controls:
            continue
        checkpoints = (Document.read(file.path).values or {}).get("checkpoints", {})
        paths = {task: resolve_path(values["path"], root) for task, values in checkpoints.items() if values.get("path")}
        digests = {task: path_digest(path) for task, path in paths.items() if path.exists() and task in controls.controls[file.name]}
        written = fill_values(controls_file(root, suite), {("controls", file.name, task): digest for task, digest in digests.items()})
        written |= fill_values(file.path, {("checkpoints", task, "sha256"): digest for task, digest in digests.items()})
        changes |= {f"{file.name}: {location}": digest for location, digest in written.items()}
    return changes


def _checkpoint_digests(submission: Submission, root: DataRoot) -> Iterator[tuple[Location, str]]:
    for task, checkpoint in submission.checkpoints.items():
        path = resolve_path(checkpoint.path, root) if checkpoint.path else None
        if path and path.exists():
            yield ("checkpoints", task, "sha256"), path_digest(path)


def _is_unbuilt(part: Pinned, root: DataRoot) -> bool:
    """Whether an unpinned part does not exist yet, such as the judge of a draft suite."""
    return part.is_draft and not resolve_path(part.path, root).exists()


def _digest(path: Path) -> str:
    if not path.exists():
        remedy = "build it first (`python -m unconceal_lab build`)"
        raise CheckFailed("suite.missing-file", str(path), "is missing, so it cannot be pinned", remedy)
    return path_digest(path)


def fill_values(path: Path, values: Mapping[Location, str]) -> dict[str, str]:
    """Set values in a YAML file; comments and layout stay.

    Args:
        path: the file.
        values: new values by location. A field that the file lacks is inserted after ``path`` or ``revision``.

    Returns:
        The changed values by the location of their mapping.
    """
    document = round_trip_yaml().load(path)
    changes: dict[str, str] = {}
    for location, value in values.items():
        *parents, name = location
        mapping = document
        for key in parents:
            mapping = mapping[key]
        if mapping.get(name) == value:
            continue
        if name in mapping:
            mapping[name] = value
        else:
            neighbour = next(key for key in NEIGHBOURS if key in mapping)
            mapping.insert(list(mapping).index(neighbour) + 1, name, value)
        changes[dotted_name(tuple(parents))] = value
    if changes:
        path.write_text(yaml_text(document), encoding="utf-8", newline="\n")
    return changes
