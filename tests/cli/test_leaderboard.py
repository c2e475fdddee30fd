from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from codes import printed_codes
from leaderboard.records import control, data_root, record, write
from unconceal.cli.main import main


def run(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["leaderboard", "--root", str(root), *arguments])


def test_it_writes_the_file_and_then_agrees(tmp_path: Path) -> None:
    data_root(tmp_path, record(), control("gold-1"))
    assert run(tmp_path).exit_code == 0
    assert "esd-x" in (tmp_path / "LEADERBOARD.md").read_text(encoding="utf-8")
    assert run(tmp_path, "--check").exit_code == 0


def test_a_new_record_makes_it_stale(tmp_path: Path) -> None:
    root = data_root(tmp_path, record())
    run(tmp_path)
    before = (tmp_path / "LEADERBOARD.md").read_bytes()
    write(root, record("esd-u"))
    result = run(tmp_path, "--check")
    assert result.exit_code == 1 and printed_codes(result.output) == ["leaderboard.stale"] and len(result.output.splitlines()) == 1
    assert (tmp_path / "LEADERBOARD.md").read_bytes() == before


def test_a_missing_file_is_stale(tmp_path: Path) -> None:
    data_root(tmp_path, record())
    assert run(tmp_path, "--check").exit_code == 1


def test_print_writes_nothing(tmp_path: Path) -> None:
    data_root(tmp_path, record())
    result = run(tmp_path, "--print")
    assert result.output.startswith("<!-- generated") and not (tmp_path / "LEADERBOARD.md").exists()


def test_json_rows(tmp_path: Path) -> None:
    data_root(tmp_path, record())
    rows = json.loads(run(tmp_path, "--json").output)
    assert rows[0]["submission"] == "esd-x" and rows[0]["rank"] == [1, 1]


def test_an_altered_record_is_one_line(tmp_path: Path) -> None:
    root = data_root(tmp_path, record())
    path = record().path(root.results)
    path.write_text(path.read_text().replace("0.4,", "0.1,", 1))
    result = run(tmp_path)
    assert result.exit_code == 1 and len(result.output.splitlines()) == 1 and printed_codes(result.output) == ["record.altered"]


def test_the_repositorys_own_leaderboard_and_records_are_in_order() -> None:
    root = Path(__file__).resolve().parents[2]
    result = run(root, "--check")
    assert result.exit_code == 0, result.output
    checked = CliRunner().invoke(main, ["results", "check", "--quick", "--root", str(root)])
    assert checked.exit_code == 0, checked.output
