"""A submission from answers: what is asked, how a checkpoint is said in one line, and the file that comes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from unconceal.errors import UsageError
from unconceal.files import write_atomically
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_submission, suite_names
from unconceal.specs.problems import SpecProblems

HUB = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[^/\s]+)(?:/(?P<inside>\S+))?")
FILE = re.compile(r"\.\w+$")


def questions() -> tuple[tuple[str, str, bool], ...]:
    """(field, question, whether it may stay empty), in the order of the file."""
    return (
        ("name", "Name (lower case, hyphens)", False),
        ("title", "Title, as a table shows it", False),
        ("description", "What the method does, in a sentence", False),
        ("method", "Method, where it has a name of its own (may be empty)", True),
        ("paper", "Paper (arXiv number or address; may be empty)", True),
        ("code", "Code (address; may be empty)", True),
        ("license", "License of the weights (may be empty)", True),
        ("contact", "Contact (may be empty)", True),
    )


def available_suites(root: DataRoot) -> tuple[str, ...]:
    """The suites to submit to.

    Raises:
        UsageError: there is none.
    """
    found = suite_names(root)
    if not found:
        raise UsageError(
            "suite.none", str(root.tasks), "holds no suite, so there is nothing to submit to", "name a folder that does with --root"
        )
    return found


def parse_checkpoint(said: str) -> dict[str, str]:
    """``owner/name@revision``, the same with ``/file`` or ``/folder``, or a path."""
    found = HUB.fullmatch(said.strip())
    if not found:
        return {"path": said.strip()}
    inside = found["inside"]
    place = {} if inside is None else {"file" if FILE.search(inside) else "subfolder": inside}
    return {"repo": found["repo"], "revision": found["revision"], **place}


def write_submission(root: DataRoot, suite: str, fields: Mapping[str, str], checkpoints: Mapping[str, Mapping[str, str]]) -> Path:
    """Write ``submissions/<suite>/<name>.yaml`` and read it back; what does not read back is not kept.

    Raises:
        UsageError: there is one of that name already, or the name is none.
        SpecProblems: the answers make no valid submission; all mistakes, each with its line.
    """
    name = fields["name"]
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise UsageError(
            "submission.bad-name",
            f"name {name!r}",
            "would make no file that is found again",
            "use lower-case words and digits joined by hyphens",
        )
    path = root.submissions / suite / f"{name}.yaml"
    if path.exists():
        raise UsageError("submission.exists", str(path), "exists already", "choose another name, or edit the file")
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["# yaml-language-server: $schema=../../schemas/submission.schema.json", f"name: {name}", f"suite: {suite}"]
    lines += [f"{field}: {quoted(value)}" for field, value in fields.items() if field != "name" and value]
    lines.append("checkpoints:")
    for task, checkpoint in checkpoints.items():
        lines += [f"  {task}:", *(f"    {field}: {quoted(value)}" for field, value in checkpoint.items())]
    write_atomically(path, ("\n".join(lines) + "\n").encode())
    try:
        load_submission(root, f"{suite}/{name}")
    except SpecProblems:
        path.unlink()
        raise
    return path


def quoted(text: str) -> str:
    """Text as a YAML scalar: plain where that is safe, else in single quotes."""
    plain = re.fullmatch(r"[A-Za-z][\w./@ ()+,-]*", text) and text.lower() not in ("true", "false", "null", "yes", "no", "on", "off")
    return text if plain and text == text.strip() else "'" + " ".join(text.split()).replace("'", "''") + "'"
