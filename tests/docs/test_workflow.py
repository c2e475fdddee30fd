"""The workflow that looks at contributions: what it may do, what it runs, and that its own steps catch what they should."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from results.measured import GOLDS, world

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / ".github/workflows/contribution.yml"


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    found = YAML(typ="safe").load(FILE.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_it_comes_from_the_base_branch_and_may_only_read(workflow: dict[str, Any]) -> None:
    assert set(workflow["on"]) == {"pull_request_target"} and workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow["jobs"].values()) and "secrets." not in FILE.read_text()
    checkouts = [step["with"] for step in steps(workflow) if "checkout" in step.get("uses", "")]
    assert all(options["persist-credentials"] is False for options in checkouts)


def test_actions_are_pinned_by_commit_and_named(workflow: dict[str, Any]) -> None:
    for line in re.findall(r"uses: (.*)", FILE.read_text(encoding="utf-8")):
        assert re.fullmatch(r"([\w-]+/[\w-]+)@[0-9a-f]{40} # v\d+\.\d+\.\d+ of \1", line), line


def test_nothing_that_a_pull_request_says_reaches_a_shell_or_is_run(workflow: dict[str, Any]) -> None:
    scripts = [step["run"] for step in steps(workflow) if "run" in step]
    assert not any("${{" in script for script in scripts)
    for script in scripts:
        for line in script.splitlines():
            if "contribution/" in line:
                assert re.fullmatch(r"cp -R --no-dereference contribution/\w+ together/\w+", line.strip()), line
    assert [script for script in scripts if "pip install" in script] == ["python -m pip install --quiet ./base"]


def contributed(workflow: dict[str, Any], place: Path) -> subprocess.CompletedProcess[str]:
    """The steps after the installation, as the runner would run them beside ``base`` and ``contribution``."""
    last = [step["run"] for step in steps(workflow) if "run" in step and "pip" not in step["run"]]
    script = "\n".join(["set -euo pipefail", *last]).replace("python -P", sys.executable)
    environment = {"PYTHONPATH": str(ROOT / "benchmark"), "PATH": "/usr/bin:/bin", "HOME": str(place)}
    return subprocess.run(["bash", "-c", script], cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A base branch, and a contribution that adds esd-x to it."""
    world(tmp_path / "base", shares={**dict.fromkeys(GOLDS, 0.0)})
    world(tmp_path / "contribution", shares={**dict.fromkeys(GOLDS, 0.0), "esd-x": 0.7})
    return tmp_path


def test_a_good_contribution_passes_whatever_code_it_brings(workflow: dict[str, Any], place: Path) -> None:
    for name in ("sitecustomize.py", "unconceal.py", "results/conftest.py"):
        (place / "contribution" / name).write_text("raise SystemExit('executed')")
    (place / "contribution/results/conftest.py").unlink()
    done = contributed(workflow, place)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 records, nothing wrong" in done.stdout


def test_a_bad_one_fails(workflow: dict[str, Any], place: Path) -> None:
    record = next((place / "contribution/results").rglob("esd-x.*.json"))
    record.write_text(record.read_text().replace('"label": "conceals"', '"label": "forgets"'))
    done = contributed(workflow, place)
    assert done.returncode == 1 and "were altered after the run" in done.stderr


def test_a_link_fails(workflow: dict[str, Any], place: Path) -> None:
    (place / "contribution/results/made-1/passwords.json").symlink_to("/etc/passwd")
    done = contributed(workflow, place)
    assert done.returncode == 1 and "links are not followed" in done.stdout and "root:" not in done.stdout + done.stderr


def test_forms_are_readable(workflow: dict[str, Any]) -> None:
    for form in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")):
        said = YAML(typ="safe").load(form.read_text(encoding="utf-8"))
        assert form.name == "config.yml" or {"name", "description", "body"} <= set(said)
    assert "results check" in (ROOT / ".github/pull_request_template.md").read_text(encoding="utf-8")
