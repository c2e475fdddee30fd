"""Writes a new submission file from answers to a few questions. Each answer is validated as it is given; answers are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from unconceal.errors import UsageError
from unconceal.files import write_atomically
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_submission, load_suite, submission_files, suite_names
from unconceal.specs.problems import mistakes_from_errors
from unconceal.specs.round_trip import yaml_text
from unconceal.specs.spec import Name
from unconceal.specs.submission import ORIGINAL_FORMAT, Submission, is_control_name

SCHEMA_COMMENT = "# yaml-language-server: $schema=../../schemas/submission.schema.json\n"
HUB_PATTERN = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)@(?P<revision>[^/\s]+)(?:/(?P<inside>\S+))?")
FILE_PATTERN = re.compile(r"\.\w+$")
KEPT = "new-submission.partial"
"""File of the answers of an unfinished draft, in a suite's folder of submissions."""


class DraftQuestion(NamedTuple):
    """A question about one field of a submission."""

    field: str
    text: str
    optional: bool


QUESTIONS = (
    DraftQuestion("name", "Name (lower case, hyphens)", False),
    DraftQuestion("title", "Title, as a table shows it", False),
    DraftQuestion("description", "What the method does, in a sentence", False),
    DraftQuestion("base", "Base model that was unlearned", False),
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


def parse_checkpoint(text: str) -> dict[str, Any]:
    """Parse an answer into fields of a checkpoint.

    Args:
        text: ``owner/name@revision``, the same followed by ``/file`` or ``/folder``, a local path, or an inference rule as a YAML mapping
            in one line: ``{rule: negative-prompt, prompt: star}``.

    Raises:
        UsageError: it begins as a mapping and is none.
    """
    if text.strip().startswith("{"):
        return {"format": ORIGINAL_FORMAT, "inference": _mapping(text)}
    match = HUB_PATTERN.fullmatch(text.strip())
    if not match:
        return {"path": text.strip()}
    inside = match["inside"]
    part = {} if inside is None else {"file" if FILE_PATTERN.search(inside) else "subfolder": inside}
    return {"repo": match["repo"], "revision": match["revision"], **part}


def _mapping(text: str) -> dict[str, Any]:
    """The mapping that a line of YAML is."""
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        value, consequence = f"answer {text[:80]!r}", "begins as a YAML mapping and is none, so it declares no inference rule"
        raise UsageError("inference.bad-mapping", value, consequence, "write it as {rule: negative-prompt, prompt: star}")
    return content


class Draft:
    """The answers of an unfinished submission. They are kept in a file until it is written."""

    def __init__(self, root: DataRoot, suite: str) -> None:
        self.root, self.suite = root, suite
        base = load_suite(root, suite).base
        self.base = base.repo or base.path
        self.path = root.submissions / suite / KEPT
        self.answers: dict[str, str] = self._kept()

    def _kept(self) -> dict[str, str]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {key: value for key, value in content.items() if isinstance(value, str)} if isinstance(content, dict) else {}

    def answer(self, question: str, value: str) -> None:
        """Validate an answer and keep it.

        Args:
            question: a field, or the id of a task for the location of its weights.
            value: the answer; empty to leave the field out.

        Raises:
            UsageError: the answer is no valid value of the field, or the name is taken.
        """
        value = one_line(value)
        is_task = "/" in question
        fields = {"checkpoints": {question: parse_checkpoint(value)}} if is_task else {question: value}
        if value:
            self._check(fields, question)
        if question == "name" and value in {name for suite, name, _ in submission_files(self.root) if suite == self.suite}:
            raise UsageError("submission.exists", f"name {value!r}", "exists already", "choose another name, or edit the file")
        if question == "name" and is_control_name(value):
            raise UsageError("submission.control-name", f"name {value!r}", "is reserved for the suite's controls", "choose another name")
        if question == "base" and value not in ("", self.base):
            consequence = f"is not the base of suite {self.suite} ({self.base}), with which the weights would be compared"
            raise UsageError("submission.other-base", f"base {value!r}", consequence, "submit it to a suite of its own base")
        self.answers[question] = value
        write_atomically(self.path, json.dumps(self.answers, indent=1).encode())

    def _check(self, fields: Mapping[str, Any], question: str) -> None:
        """Validate one field beside valid others."""
        others = {"name": "x", "suite": self.suite, "title": "x", "description": "x", "checkpoints": {"x/x": {"path": "x"}}}
        try:
            Submission.model_validate({**others, **fields})
        except ValidationError as error:
            mistake = next(mistakes_from_errors(Submission, error.errors(include_url=False)))
            raise UsageError(mistake.code, f"{question} {mistake.value}", mistake.consequence, mistake.remedy) from error

    def write(self) -> Path:
        """Write the submission's file and forget the answers.

        Raises:
            SpecProblems: the answers together make no valid submission; they stay.
        """
        fields = {question.field: self.answers.get(question.field, "") for question in QUESTIONS}
        checkpoints = {task: parse_checkpoint(value) for task, value in self.answers.items() if "/" in task and value}
        path = write_submission(self.root, self.suite, fields, checkpoints)
        self.path.unlink(missing_ok=True)
        return path


def write_submission(root: DataRoot, suite: str, fields: Mapping[str, str], checkpoints: Mapping[str, Mapping[str, Any]]) -> Path:
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
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        # Before anything is written: a name may be a path out of the folder.
        remedy = "use lower-case words and digits joined by hyphens, at most 100 letters"
        raise UsageError("submission.bad-name", f"name {name!r}", "would make no file that is found again", remedy) from error
    path = root.submissions / suite / f"{name}.yaml"
    if path.exists():
        raise UsageError("submission.exists", str(path), "exists already", "choose another name, or edit the file")
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"name": name, "suite": suite}
    values |= {field: one_line(value) for field, value in fields.items() if field != "name" and value}
    entries = {
        task: {field: one_line(value) if isinstance(value, str) else value for field, value in checkpoint.items()}
        for task, checkpoint in checkpoints.items()
    }
    write_atomically(path, (SCHEMA_COMMENT + yaml_text({**values, "checkpoints": entries})).encode())
    try:
        load_submission(root, f"{suite}/{name}")
    except BaseException:
        path.unlink()
        raise
    return path


def one_line(text: str) -> str:
    """Text with every run of white space replaced by one space."""
    return " ".join(text.split())
