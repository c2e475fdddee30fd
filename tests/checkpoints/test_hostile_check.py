"""One check over good submissions and every file of the hostile corpus: each has its own row, at once, in little memory."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from safetensors.torch import save_file

from checkpoints.hostile import CORPUS
from codes import printed_codes
from pipelines import tiny_pipeline
from unconceal.cli import submissions
from unconceal.cli.main import main

SECONDS, KIBIBYTES = 2.0, 2**20
"""Processor time of this process and of its children for one row, and growth of the largest child."""
GOOD = ("good-1", "good-2", "good-3", "zz-good")
BROKEN = "name: broken\nsuite: tiny\ncheckpoints: [\n"


def cost() -> float:
    """Processor seconds of this process and of children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def children() -> set[int]:
    """Processes that this one has started and that have not ended; other tests may have left helpers of libraries."""
    return {int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}


@pytest.fixture
def expected(data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The code of every submission in the tree; none for good ones."""
    monkeypatch.setattr("unconceal.paths.PACKAGE", tmp_path)
    pipe = tiny_pipeline(tmp_path / "miniature/weights/base")
    weights = data_root / "submissions/tiny/weights"
    text = (data_root / "submissions/tiny/esd-x.yaml").read_text()
    (data_root / "submissions/tiny/esd-x.yaml").unlink()
    (name, tensor) = next((name, tensor) for name, tensor in pipe.unet.state_dict().items() if "attn2.to_k" in name)
    codes = {}
    for number, submission in enumerate(GOOD):
        (weights / submission).mkdir(parents=True)
        save_file({name: tensor + 0.01 * (number + 1)}, weights / submission / "x.safetensors")
        codes[submission] = ""
        write(data_root, text, submission, weights / submission / "x.safetensors")
    for number, (make, code) in enumerate(CORPUS.values()):
        submission = f"hostile-{number}"
        (weights / submission).mkdir()
        codes[submission] = code
        write(data_root, text, submission, make(weights / submission))
    return codes


def write(root: Path, text: str, name: str, path: Path) -> None:
    """A submission of these weights."""
    text = text.replace("name: esd-x", f"name: {name}").replace("format: state-dict", "format: auto")
    text = text.replace("submissions/tiny/weights/star.safetensors", str(path.relative_to(root)))
    (root / f"submissions/tiny/{name}.yaml").write_text(text)


@pytest.mark.slow
def test_good_and_hostile_together_have_a_row_each(data_root: Path, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    (data_root / "submissions/tiny/broken.yaml").write_text(BROKEN)
    check_one, costs = submissions._outcome_in_child, dict[str, float]()

    def timed(*arguments: Any) -> dict[str, Any]:
        before = cost()
        row = check_one(*arguments)
        costs[arguments[3].name] = cost() - before
        return row

    monkeypatch.setattr(submissions, "_outcome_in_child", timed)
    others = children()
    result = CliRunner().invoke(main, ["submissions", "check", "--json", "--root", str(data_root)])
    rows = json.loads(result.stdout)
    assert result.exit_code == 1 and len(expected) == len(CORPUS) + len(GOOD) >= 124
    # A file that names no weights at all is refused as a spec, before any row.
    unread = {row["submission"]: row["code"] for row in rows}
    assert {name: (unread.get(name), code) for name, code in expected.items() if unread.get(name) != code} == {}
    assert all(row["result"].startswith("ok") == (not row["code"]) for row in rows)
    assert any(code.startswith("spec.") for code in printed_codes(result.stderr))
    assert max(costs.values()) < SECONDS, max(costs.items(), key=lambda item: item[1])
    own, largest = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    assert largest - own < KIBIBYTES
    assert children() <= others
    print(f"{len(costs)} rows, at most {max(costs.values()):.2f} s and {max(largest - own, 0) / 1024:.0f} MiB")
