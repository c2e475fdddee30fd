"""The workflows: permissions, pinned actions, what they run, and that the contribution check catches bad contributions."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from results.measured import GOLDS, world

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
CONTRIBUTION = ROOT / ".github/workflows/contribution.yml"
CI = ROOT / ".github/workflows/ci.yml"


def read_yaml(path: Path) -> dict[str, Any]:
    content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    return read_yaml(CONTRIBUTION)


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_contribution_workflow_comes_from_the_base_branch(workflow: dict[str, Any]) -> None:
    assert set(workflow["on"]) == {"pull_request_target"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_tokens_are_read_only_and_not_kept(path: Path) -> None:
    workflow = read_yaml(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow["jobs"].values()) and "secrets." not in path.read_text()
    checkouts = [step["with"] for step in steps(workflow) if "checkout" in step.get("uses", "")]
    assert checkouts and all(options["persist-credentials"] is False for options in checkouts)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_and_named(path: Path) -> None:
    lines = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    assert lines
    for line in lines:
        assert re.fullmatch(r"([\w-]+/[\w-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+ of \1", line), line


def test_ci_runs_the_checks_on_push_and_pull_request() -> None:
    workflow = read_yaml(CI)
    assert set(workflow["on"]) == {"push", "pull_request"}
    assert [step["run"] for step in steps(workflow) if "run" in step] == [".ci/run"]
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert all(command in script for command in ('ruff" check', 'ruff" format --check', '/mypy"', '/pytest"'))


def test_no_text_of_a_pull_request_reaches_a_shell_or_runs(workflow: dict[str, Any]) -> None:
    scripts = [step["run"] for step in steps(workflow) if "run" in step]
    assert not any("${{" in script for script in scripts)
    for script in scripts:
        for line in script.splitlines():
            if "contribution/" in line:
                assert re.fullmatch(r"cp -R --no-dereference contribution/\w+ together/\w+", line.strip()), line
    assert [script for script in scripts if "pip install" in script] == ["python -m pip install --quiet ./base"]


def run_checks(workflow: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the steps after the installation as the workflow does, beside ``base`` and ``contribution``."""
    scripts = [step["run"] for step in steps(workflow) if "run" in step and "pip" not in step["run"]]
    script = "\n".join(["set -euo pipefail", *scripts]).replace("python -P", sys.executable)
    environment = {"PYTHONPATH": str(ROOT / "benchmark"), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A base branch, and a contribution that adds esd-x to it."""
    world(tmp_path / "base", shares={**dict.fromkeys(GOLDS, 0.0)})
    world(tmp_path / "contribution", shares={**dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7})
    # The submission was accepted before, with weights that the repository does not distribute.
    shutil.copy(tmp_path / "contribution/submissions/made/esd-x.yaml", tmp_path / "base/submissions/made")
    return tmp_path


def test_a_valid_contribution_passes_and_its_code_does_not_run(workflow: dict[str, Any], folder: Path) -> None:
    for name in ("sitecustomize.py", "unconceal.py", "results/conftest.py"):
        (folder / "contribution" / name).write_text("raise SystemExit('executed')")
    (folder / "contribution/results/conftest.py").unlink()
    process = run_checks(workflow, folder)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "4 records" in process.stdout


def test_an_altered_record_fails(workflow: dict[str, Any], folder: Path) -> None:
    record = next((folder / "contribution/results").rglob("esd-x.*.json"))
    text = record.read_text()
    record.write_text(text.replace('"label":"conceals"', '"label":"forgets"'))
    assert record.read_text() != text
    process = run_checks(workflow, folder)
    assert process.returncode == 1 and record.name in process.stdout + process.stderr


def test_a_link_fails(workflow: dict[str, Any], folder: Path) -> None:
    (folder / "contribution/results/made-1/passwords.json").symlink_to("/etc/passwd")
    process = run_checks(workflow, folder)
    assert process.returncode == 1 and "links are not followed" in process.stdout
    assert "root:" not in process.stdout + process.stderr


def test_forms_are_readable() -> None:
    for form in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")):
        assert form.name == "config.yml" or {"name", "description", "body"} <= set(read_yaml(form))
    assert "results check" in (ROOT / ".github/pull_request_template.md").read_text(encoding="utf-8")
