"""Writes a new submission file from answers to a few questions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from unconceal.errors import UsageError
from unconceal.files import write_atomically
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_submission, suite_names
from unconceal.specs.problems import SpecProblems
from unconceal.specs.round_trip import yaml_text

SCHEMA_COMMENT = "# yaml-language-server: $schema=../../schemas/submission.schema.json\n"
HUB_PATTERN = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[^/\s]+)(?:/(?P<inside>\S+))?")
FILE_PATTERN = re.compile(r"\.\w+$")
NAME_PATTERN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class DraftQuestion(NamedTuple):
    """A question about one field of a submission."""

    field: str
    text: str
    optional: bool


QUESTIONS = (
    DraftQuestion("name", "Name (lower case, hyphens)", False),
    DraftQuestion("title", "Title, as a table shows it", False),
    DraftQuestion("description", "What the method does, in a sentence", False),
    DraftQuestion("method", "Method, if several submissions share one (may be empty)", True),
    DraftQuestion("paper", "Paper (arXiv number or URL; may be empty)", True),
    DraftQuestion("code", "Code (URL; may be empty)", True),
    DraftQuestion("license", "License of the weights (may be empty)", True),
    DraftQuestion("contact", "Contact (may be empty)", True),
)
"""In the order of the file."""


def available_suites(root: DataRoot) -> tuple[str, ...]:
    """Names of the suites of a data root.

    Raises:
        UsageError: there is none.
    """
    names = suite_names(root)
    if not names:
        consequence = "holds no suite, so there is nothing to submit to"
        raise UsageError("suite.none", str(root.tasks), consequence, "name a folder that does with --root")
    return names


def parse_checkpoint(text: str) -> dict[str, str]:
    """Parse ``owner/name@revision``, the same followed by ``/file`` or ``/folder``, or a local path into fields of a checkpoint."""
    match = HUB_PATTERN.fullmatch(text.strip())
    if not match:
        return {"path": text.strip()}
    inside = match["inside"]
    part = {} if inside is None else {"file" if FILE_PATTERN.search(inside) else "subfolder": inside}
    return {"repo": match["repo"], "revision": match["revision"], **part}


def write_submission(root: DataRoot, suite: str, fields: Mapping[str, str], checkpoints: Mapping[str, Mapping[str, str]]) -> Path:
    """Write ``submissions/<suite>/<name>.yaml`` and validate it; an invalid file is deleted again.

    Args:
        root: the data root.
        suite: name of the suite.
        fields: answers by field; empty ones are left out.
        checkpoints: fields of the checkpoint by task id.

    Raises:
        UsageError: the name is invalid or already in use.
        SpecProblems: the answers make no valid submission; all mistakes, each with its line.
    """
    name = fields["name"]
    if not NAME_PATTERN.fullmatch(name):
        remedy = "use lower-case words and digits joined by hyphens"
        raise UsageError("submission.bad-name", f"name {name!r}", "would make no file that is found again", remedy)
    path = root.submissions / suite / f"{name}.yaml"
    if path.exists():
        raise UsageError("submission.exists", str(path), "exists already", "choose another name, or edit the file")
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"name": name, "suite": suite}
    values |= {field: one_line(value) for field, value in fields.items() if field != "name" and value}
    entries = {task: {field: one_line(value) for field, value in checkpoint.items()} for task, checkpoint in checkpoints.items()}
    write_atomically(path, (SCHEMA_COMMENT + yaml_text({**values, "checkpoints": entries})).encode())
    try:
        load_submission(root, f"{suite}/{name}")
    except SpecProblems:
        path.unlink()
        raise
    return path


def one_line(text: str) -> str:
    """Text with every run of white space replaced by one space."""
    return " ".join(text.split())
