"""Filling in digests: what a suite or a submission names is pinned to the bytes that are there now."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from unconceal.errors import CheckFailed
from unconceal.paths import DataRoot, resolve_path
from unconceal.specs.digests import path_digest
from unconceal.specs.document import Document
from unconceal.specs.loader import load_submission, load_suite, submission_files, suite_file
from unconceal.specs.problems import Location, dotted_name
from unconceal.specs.spec import Pinned
from unconceal.specs.submission import Submission
from unconceal.specs.suite import Suite


def pinned_parts(suite: Suite) -> Iterator[tuple[Location, Pinned]]:
    """Every file or folder that a suite pins, with its place in ``suite.yaml``."""
    yield ("base",), suite.base
    yield ("judges", "concept"), suite.judges.concept
    yield ("judges", "clip"), suite.judges.clip
    for name, extractor in suite.judges.extractors.items():
        yield ("judges", "extractors", name), extractor


def pin_suite(root: DataRoot, name: str) -> dict[str, str]:
    """Write the digests of a suite's base and judges into its file; returns what changed, place -> digest."""
    path = suite_file(root, name)
    suite = load_suite(root, name)
    parts = [(place, part) for place, part in pinned_parts(suite) if part.repo is None and not (suite.draft and _unmade(part, root))]
    digests = {(*place, "digest"): _digest(resolve_path(part.path, root)) for place, part in parts}
    return fill_values(path, digests)


def pin_submissions(root: DataRoot, suite: str) -> dict[str, str]:
    """Write the SHA-256 of every stored checkpoint into its submission; returns what changed. Files not shipped stay as they are."""
    changed: dict[str, str] = {}
    for of, name, path in submission_files(root):
        if of == suite:
            filled = fill_values(path, dict(_checkpoint_digests(load_submission(root, f"{of}/{name}"), root)))
            changed |= {f"{name}: {place}": digest for place, digest in filled.items()}
    return changed


def _checkpoint_digests(submission: Submission, root: DataRoot) -> Iterator[tuple[Location, str]]:
    for task, checkpoint in submission.checkpoints.items():
        file = resolve_path(checkpoint.path, root) if checkpoint.path else None
        if file and file.exists():
            yield ("checkpoints", task, "sha256"), path_digest(file)


def _unmade(part: Pinned, root: DataRoot) -> bool:
    """Whether a part that was never pinned is not there yet, as a draft suite's judge."""
    return part.is_draft and not resolve_path(part.path, root).exists()


def _digest(path: Path) -> str:
    if not path.exists():
        raise CheckFailed(
            "suite.missing-file", str(path), "is missing, so it cannot be pinned", "build it first (`unconceal miniature build`)"
        )
    return path_digest(path)


def fill_values(path: Path, digests: dict[Location, str]) -> dict[str, str]:
    """Write digests into a YAML file line by line, so that its comments and layout stay; returns what changed.

    A digest that is there already is replaced; one that is not gets a line of its own below its neighbour, ``path`` or ``revision``.
    """
    document = Document.read(path)
    lines = path.read_text(encoding="utf-8").split("\n")
    changed: dict[str, str] = {}
    for place, digest in sorted(digests.items(), key=lambda item: -(document.line(item[0]) or 1)):
        beside = [(*place[:-1], name) for name in (place[-1], "path", "revision")]
        at = next(candidate for candidate in beside if candidate in document.lines)
        if _fill_line(lines, document.lines[at] - 1, str(place[-1]), digest):
            changed[dotted_name(place[:-1])] = digest
    if changed:
        path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    return changed


def _fill_line(lines: list[str], number: int, name: str, digest: str) -> bool:
    """Put a digest on a line, or below it; whether that changed anything."""
    line = lines[number]
    if f"{name}:" in line:
        lines[number] = re.sub(rf"({name}:\s*)[\"']?([^\s\"'#,}}]*)[\"']?", rf"\g<1>{digest}", line, count=1)
    elif "{" in line:
        lines[number] = re.sub(r"((?:path|revision):\s*[^,}]+?)(\s*[,}])", rf"\g<1>, {name}: {digest}\g<2>", line, count=1)
    else:
        lines.insert(number + 1, f"{line[: len(line) - len(line.lstrip())]}{name}: {digest}")
        return True
    return lines[number] != line
