"""``unconceal bench``: one quick part, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from evaluation.tiny import tiny_root
from unconceal.cli.main import main
from unconceal_lab.bench.bench_results import Found
from unconceal_lab.bench.performance_page import UNMEASURED


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tiny-bench")
    tiny_root(made)
    return made


def test_a_part_fills_in_its_table_and_leaves_the_others(folder: Path) -> None:
    page = folder / "page.md"
    page.write_text("".join(f"<!-- measured: {name} -->\nold\n<!-- end -->\n" for name in ("planning", "ways")))
    arguments = ["--part", "planning", "--suite", "tiny", "--submission", "esd-x", "--submission", "control-original", "--tier", "lite"]
    done = CliRunner().invoke(main, ["bench", *arguments, "--out", str(page), "--root", str(folder)])
    assert done.exit_code == 0, done.output
    found = Found.read(folder / "page.json").planning
    assert found is not None and (found.submissions, found.tasks) == (1000, 100)
    assert found.seconds > 0 and found.rows > 10**7
    assert f"| 1000          | 100     | {found.cells}" in page.read_text() and UNMEASURED in page.read_text()


def test_one_submission_is_not_enough(folder: Path) -> None:
    done = CliRunner().invoke(main, ["bench", "--submission", "esd-x", "--root", str(folder)])
    assert done.exit_code == 2 and "name two" in done.stderr
