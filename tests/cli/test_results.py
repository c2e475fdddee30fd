from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from codes import printed_codes
from leaderboard.records import data_root, record
from results.measured import GOLDS, world
from unconceal.cli.main import main


def run(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["results", "check", "--root", str(root), *arguments])


def test_valid_results_have_no_problems(tmp_path: Path) -> None:
    world(tmp_path, shares={name: 0.0 for name in GOLDS[:1]})
    result = run(tmp_path, "--json")
    assert result.exit_code == 0 and json.loads(result.stdout) == {"records": 1, "problems": []}
    assert run(tmp_path).output.startswith("1 record")


def test_every_problem_has_its_line(tmp_path: Path) -> None:
    data_root(tmp_path, record(task="object/moon"), record(suite="other"))
    result = run(tmp_path, "--quick")
    assert result.exit_code == 1 and len(result.output.splitlines()) == 2
    assert set(printed_codes(result.stderr)) == {"record.unknown-task", "record.unknown-suite"}


def test_problems_as_json(tmp_path: Path) -> None:
    data_root(tmp_path, record(task="object/moon"))
    message = json.loads(run(tmp_path, "--json").stdout)
    assert message["records"] == 1 and message["problems"][0]["value"] == "task 'object/moon'"
