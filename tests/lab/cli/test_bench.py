"""``python -m unconceal_lab bench``: one quick part, and a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from evaluation.tiny import tiny_root
from unconceal_lab.bench.bench_results import BenchResults
from unconceal_lab.bench.performance_page import UNMEASURED
from unconceal_lab.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-bench")
    tiny_root(folder)
    return folder


def test_a_part_fills_in_its_table_and_leaves_the_others(folder: Path) -> None:
    page = folder / "page.md"
    page.write_text("".join(f"<!-- measured: {name} -->\nold\n<!-- end -->\n" for name in ("planning", "speed")))
    arguments = ["--part", "planning", "--suite", "tiny", "--submission", "esd-x", "--submission", "control-original", "--tier", "quick"]
    result = CliRunner().invoke(main, ["bench", *arguments, "--out", str(page), "--root", str(folder)])
    assert result.exit_code == 0, result.output
    planning = BenchResults.read(folder / "page.json").planning
    assert planning is not None and (planning.submissions, planning.tasks) == (1000, 100)
    assert planning.seconds > 0 and planning.forward_passes > 10**7
    assert f"| 1000          | 100     | {planning.shards}" in page.read_text() and UNMEASURED in page.read_text()


def test_one_submission_is_not_enough(folder: Path) -> None:
    result = CliRunner().invoke(main, ["bench", "--submission", "esd-x", "--root", str(folder)])
    assert result.exit_code == 2 and "--submission" in result.stderr
