"""``unconceal tasks``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codes import printed_codes
from unconceal.cli.main import main
from unconceal.paths import SOURCE_TREE


def tasks(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["tasks", *arguments, "--root", str(root)])


def test_list(data_root: Path) -> None:
    assert "object/star" in tasks(data_root, "list").stdout
    (row,) = json.loads(tasks(data_root, "list", "--json").stdout)
    assert (row["suite"], row["task"], row["forget"], row["retain"], row["gold_kind"]) == ("tiny", "object/star", 12, 12, "trained-without")


def test_show(data_root: Path) -> None:
    output = tasks(data_root, "show", "object/star").stdout
    assert "a star number 3" in output and "[subject: ring]" in output and "five-pointed figure" in output
    assert json.loads(tasks(data_root, "show", "tiny:object/star", "--json").stdout)["concept"] == "star"
    missing = tasks(data_root, "show", "object/stra")
    assert missing.exit_code == 2 and printed_codes(missing.stderr) == ["task.unknown"] and "'object/star'" in missing.stderr


def test_lint_lists_every_mistake_of_every_file(data_root: Path) -> None:
    task = data_root / "tasks/tiny/object/star.yaml"
    task.write_text(task.read_text().replace("a star number 3", "a moon").replace("a star number 4", "a star number 5"))
    (data_root / "tasks/tiny/moon.yaml").write_text("x: 1\n")
    result = tasks(data_root, "lint")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    for location, code in (
        ("star.yaml:14: 'a moon'", "prompt.no-concept"),
        ("star.yaml:16: 'a star number 5'", "prompt.duplicate"),
        ("tiny/moon.yaml: ", "spec.stray-file"),
        ("suite.yaml:4: base: ", "suite.not-pinned"),
    ):
        assert any(location in line and line.endswith(f" [{code}]") for line in lines), (location, lines)
    assert tasks(data_root, "lint", "object/star").stderr.count("\n") == 2


def test_lint_of_a_task_alone_can_pass(data_root: Path) -> None:
    result = tasks(data_root, "lint", "object/star")
    assert result.exit_code == 0 and result.stdout.startswith("1 ") and not result.stderr


def test_schema(data_root: Path) -> None:
    assert tasks(data_root, "schema", "--check").exit_code == 1
    assert tasks(data_root, "schema").exit_code == 0
    assert tasks(data_root, "schema", "--check").exit_code == 0
    assert json.loads(tasks(data_root, "schema", "task").stdout)["title"] == "Task"
    assert tasks(data_root, "schema", "nonsense").exit_code == 2
    assert tasks(SOURCE_TREE, "schema", "--check").exit_code == 0


def test_pin_without_models_names_the_build_command(data_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("unconceal.paths.PACKAGE", tmp_path)
    result = tasks(data_root, "pin", "tiny")
    assert result.exit_code == 1 and "unconceal_lab build" in result.stderr
    assert tasks(data_root, "pin", "tinny").exit_code == 2


def test_pin_warns_where_records_exist(data_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("unconceal.paths.PACKAGE", tmp_path)
    for part in ("base/x", "judge/x", "clip/x", "extractors/resnet18.safetensors"):
        path = tmp_path / "miniature/weights" / part
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    (data_root / "results/tiny-1/object/star").mkdir(parents=True)
    (data_root / "results/tiny-1/object/star/x.json").write_text("{}")
    result = tasks(data_root, "pin")
    assert result.exit_code == 0 and "tiny: 4 digests" in result.stdout and "tiny-1" in result.stderr
    assert "tiny: 0 digests" in tasks(data_root, "pin").stdout
    assert printed_codes(tasks(data_root, "lint").stderr) == ["judge.no-gate"], "a judge of nothing but a digest"


def test_the_installed_copy_is_not_written(data_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("unconceal.paths.SOURCE_TREE", tmp_path)
    monkeypatch.setattr("unconceal.paths.PACKAGED_DATA", data_root)
    for verb in ("pin", "schema"):
        result = CliRunner().invoke(main, ["tasks", verb])
        assert result.exit_code == 2 and printed_codes(result.stderr) == ["suite.read-only"]
