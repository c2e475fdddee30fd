from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from leaderboard.records import control, data_root, record
from unconceal.cli.main import main


def run(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", "--root", str(root), "--out", str(root / "reports"), *arguments])


def names(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "reports").rglob("*.html"))


def test_the_path_of_the_page_is_printed(tmp_path: Path) -> None:
    data_root(tmp_path, record(), control("gold-1"))
    result = run(tmp_path, "esd-x", "--task", "object/star")
    assert result.exit_code == 0 and Path(result.output.strip()).is_file() and names(tmp_path) == ["esd-x.standard-full.html"]


def test_full_before_lite_unless_asked(tmp_path: Path) -> None:
    data_root(tmp_path, record(), record(tier="quick"), record("esd-u", tier="quick"))
    run(tmp_path, "miniature/esd-x", "--task", "miniature:object/star")
    assert names(tmp_path) == ["esd-x.standard-full.html"]
    run(tmp_path, "esd-x", "--tier", "quick")
    run(tmp_path, "esd-u")
    assert names(tmp_path) == ["esd-u.standard-quick.html", "esd-x.standard-full.html", "esd-x.standard-quick.html"]


def test_all_of_them(tmp_path: Path) -> None:
    data_root(tmp_path, record(), control("gold-1"))
    assert run(tmp_path, "--all").exit_code == 0
    assert names(tmp_path) == ["control-gold-1.standard-full.html", "esd-x.standard-full.html"]


def test_the_newest_suite_version_is_meant(tmp_path: Path) -> None:
    data_root(tmp_path, record(), record(suite_version=2))
    assert "miniature-2" in run(tmp_path, "esd-x").output and len(names(tmp_path)) == 1


def test_what_has_no_record_is_bad_usage(tmp_path: Path) -> None:
    data_root(tmp_path, record())
    for arguments in (["nobody"], ["esd-x", "--task", "object/moon"], ["esd-x", "--tier", "quick"], [], ["esd-x", "--all"]):
        result = run(tmp_path, *arguments)
        assert result.exit_code == 2 and len(result.output.splitlines()) == 1, arguments
