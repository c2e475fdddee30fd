"""``unconceal rescore``: the same record without a denoiser call; missing images are reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codes import printed_codes
from evaluation.tiny import tiny_root
from unconceal.cli.main import main
from unconceal.diffusion.families.stable_diffusion import StableDiffusion

RECORD = "results/tiny-1/object/star/esd-x.standard-quick.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    created = tmp_path_factory.mktemp("tiny-score")
    tiny_root(created)
    return created


def invoke(folder: Path, verb: str, *more: str) -> Result:
    common = ["--tier", "quick", "--root", str(folder), "--store", str(folder / "store"), "--threads", "1"]
    return CliRunner().invoke(main, [verb, "esd-x", *common, *more])


def content(folder: Path) -> dict[str, object]:
    record = json.loads((folder / RECORD).read_text())
    return {name: record[name] for name in ("scores", "curves", "damage", "verdict", "checkpoint", "judges")}


def test_scores_come_from_the_store_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = invoke(folder, "rescore")
    assert refused.exit_code == 1 and printed_codes(refused.stderr) == ["store.missing-shards"], refused.output
    assert "unconceal run" in refused.stderr
    assert invoke(folder, "run").exit_code == 0
    before = content(folder)
    monkeypatch.setattr(StableDiffusion, "call", lambda *_: pytest.fail("a denoiser was called"))
    for lost in (False, True):
        if lost:
            (folder / RECORD).unlink()
        done = invoke(folder, "rescore")
        assert done.exit_code == 0 and "esd-x on object/star (quick):" in done.stdout, done.output
        assert content(folder) == before
    other = invoke(folder, "rescore", "--batch-size", "64")
    assert other.exit_code == 1 and printed_codes(other.stderr) == ["store.missing-shards"]
