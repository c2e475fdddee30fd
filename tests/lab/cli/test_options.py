from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from codes import printed_codes
from unconceal_lab.cli.main import main


@pytest.mark.parametrize("command", ["study", "judge-agreement", "scratch-gold"])
def test_a_missing_build_directory_names_the_build_command(tmp_path: Path, command: str) -> None:
    arguments = [command, "--work", str(tmp_path / "absent")]
    if command != "judge-agreement":
        arguments += ["--reports", str(tmp_path)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2 and printed_codes(done.stderr) == ["build.no-folder"], done.output
    assert "`python -m unconceal_lab build`" in done.stderr
