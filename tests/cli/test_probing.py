"""From pictures shown to a vision-language model to what a run with neighbours would draw, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codes import printed_codes, raises
from evaluation.tiny import CONCEPTS, tiny_root
from probes.answers import answer_text
from probes.vision_model import vision_model
from unconceal.cli.main import main
from unconceal.paths import DataRoot
from unconceal.probes.rate_images import read_ratings
from unconceal.specs.loader import load_probes, load_task
from unconceal_lab.cli import proximity_rankers

STAR = "tiny:object/star"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNCONCEAL_STORE", str(tmp_path / "store"))
    tiny_root(tmp_path / "root")
    (tmp_path / "root" / "results").mkdir()
    return tmp_path / "root"


def invoke(*arguments: str) -> Result:
    result = CliRunner().invoke(main, [*arguments])
    assert "Traceback" not in result.output
    return result


def test_what_a_model_sees_goes_into_its_set_and_is_scored(root: Path, tmp_path: Path) -> None:
    local = ("--root", str(root))
    model = vision_model(tmp_path / "Some-Vlm", [answer_text()])
    output = invoke("probes", "rate-images", STAR, "--provider", "local", "--model", str(model), "--device", "cpu", "--pairs", "1", *local)
    assert output.exit_code == 0 and "12 of 12 pairs rated" in output.stdout, output.output
    ratings = root / "tasks/tiny/object/star.probes/some-vlm.image-ratings.jsonl"
    assert [item.neighbour for item in read_ratings(ratings).ratings] == [*CONCEPTS]

    (tmp_path / "replies.txt").write_text(
        "".join(f"{json.dumps(text)}\n" for text in (answer_text(*CONCEPTS), answer_text(*CONCEPTS[::-1])))
    )
    invoke("probes", "elicit", STAR, "--from-replies", str(tmp_path / "replies.txt"), "--model", "Some-Vlm", *local)
    replies = ratings.with_name("some-vlm.replies.jsonl")
    frozen = invoke("probes", "freeze", STAR, str(replies), "--image-ratings", str(ratings), *local)
    assert frozen.exit_code == 0, frozen.output
    probes = load_probes(DataRoot.find(root), load_task(DataRoot.find(root), STAR), "some-vlm")
    assert probes.ratings is not None and all(neighbour.visual_similarity for neighbour in probes.neighbours)
    assert invoke("tasks", "lint", *local).exit_code == 0
    assert "visual_similarity" in invoke("probes", "show", STAR, "some-vlm", *local).stdout

    plain, more = (invoke("run", "esd-x", "--tier", "quick", "--dry-run", *flag, *local) for flag in ((), ("--probes",)))
    rows = [sum(int(line.split()[-2]) for line in result.stdout.split("\n") if "object/star" in line) for result in (plain, more)]
    # Beside the run: 24 prompts × 2 seeds of θ and θ* (liken has drawn θ's gate); one attack × 4 seeds of gate, θ and θ*; 2 · 4 rows each.
    assert rows[1] - rows[0] == (2 * 48 + 3 * 4) * 2 * 4

    ratings.write_text(ratings.read_text().replace('"likeness\\": ', '"likeness\\":  '))
    assert printed_codes(invoke("tasks", "lint", *local).stderr) == ["probes.digest-mismatch"]


def test_rankers_without_records(root: Path) -> None:
    with raises("rankers.no-record"):
        CliRunner().invoke(proximity_rankers.command, ["--suite", "tiny", "--tier", "quick", "--root", str(root)], catch_exceptions=False)
