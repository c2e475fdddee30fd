"""A first look at the miniature: what it finds, what it refuses, and specs to go on from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

from codes import printed_codes
from pipelines import tiny_pipeline
from unconceal.cli.main import main
from unconceal.paths import PACKAGE, SOURCE_TREE

WEIGHTS = SOURCE_TREE / "submissions/miniature/weights"
BASE_UNET = PACKAGE / "miniature/weights/base/unet/diffusion_pytorch_model.safetensors"


def evaluate(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["evaluate", *arguments, "--out", str(folder / "look.html"), "--threads", "1"])


@pytest.mark.slow
def test_it_compares_with_the_base_and_saves_specs(tmp_path: Path) -> None:
    """ESD-x hides the star with its prompt; a gold never saw it; the saved files pass the checks of a submission."""
    gold = WEIGHTS / "control-gold-1/star-striped-zara-hazard-sign.safetensors"
    arguments = [str(WEIGHTS / "esd-x/star.safetensors"), "--base", "miniature", "--concept", "star", "--gold", str(gold)]
    arguments += ["--prompts", "6", "--save", str(tmp_path / "root"), "--json"]
    result = evaluate(tmp_path, *arguments)
    assert result.exit_code == 0, result.output
    look = json.loads(result.stdout)
    assert look["judge"]["with_concept"]["value"] >= 0.8 and look["judge"]["without_concept"]["value"] == 0
    curves = {(model, curve["arm"]): curve for model, both in look["curves"].items() for curve in both}
    assert set(curves) == {(model, arm) for model in ("original", "unlearned", "gold") for arm in ("prompt", "empty")}
    assert curves["unlearned", "prompt"]["value"][0] <= 0.35 and curves["gold", "prompt"]["value"][0] == 0
    assert all(len(set(curves[model, "prompt"]["value"][-1:])) == 1 for model in ("original", "unlearned", "gold"))
    assert look["components"]["unet"]["changed"] > 0 and look["conclusion"] in ("comes back", "hidden")
    assert {"look.no-record", "look.no-relearning"} == {note["code"] for note in look["notes"]}
    page = (tmp_path / "look.html").read_text()
    assert page.count("data:image/webp") == 3 and "<script" not in page and "http://" not in page.replace("http://www.w3.org", "")
    root = ["--root", str(tmp_path / "root")]
    assert CliRunner().invoke(main, ["tasks", "lint", *root]).exit_code == 0
    checked = CliRunner().invoke(main, ["submissions", "check", "first-look-star", "--json", *root])
    assert checked.exit_code == 0 and json.loads(checked.stdout)[0]["result"] == "ok"
    assert not list((tmp_path / "root").rglob("*.json"))
    again = evaluate(tmp_path, *arguments)
    assert again.exit_code == 2 and printed_codes(again.stderr) == ["look.exists"]


def test_weights_that_equal_the_base(tmp_path: Path) -> None:
    result = evaluate(tmp_path, str(BASE_UNET), "--base", "miniature", "--concept", "star")
    assert result.exit_code == 1 and printed_codes(result.stderr) == ["checkpoint.no-change"]
    assert not (tmp_path / "look.html").exists()


def test_weights_of_another_base(tmp_path: Path) -> None:
    """A UNet of other shapes; and a base that is no pipeline."""
    tiny_pipeline(tmp_path / "other")
    weights = tmp_path / "other/unet/diffusion_pytorch_model.safetensors"
    result = evaluate(tmp_path, str(weights), "--base", "miniature", "--concept", "star")
    assert result.exit_code == 1 and set(printed_codes(result.stderr)) <= {"checkpoint.wrong-shape", "checkpoint.unknown-keys"}
    result = evaluate(tmp_path, str(weights), "--base", str(tmp_path / "other/unet"), "--concept", "star")
    assert result.exit_code == 2 and printed_codes(result.stderr) == ["look.unknown-family"]


def test_what_does_not_exist(tmp_path: Path) -> None:
    known = str(WEIGHTS / "esd-x/star.safetensors")
    for weights, base in (("missing.pt", "miniature"), (known, "no such folder")):
        result = evaluate(tmp_path, weights, "--base", base, "--concept", "star")
        assert result.exit_code == 2 and printed_codes(result.stderr) == ["look.unknown-source"]


@pytest.mark.slow
def test_a_concept_that_the_base_does_not_draw(tmp_path: Path) -> None:
    """Another word than the world has: the judge supports no conclusion, and the page says so first."""
    state = {key: value * 1.02 if "attn2" in key else value for key, value in load_file(BASE_UNET).items()}
    save_file({key: value.to(torch.float32) for key, value in state.items()}, tmp_path / "w.safetensors")
    result = evaluate(tmp_path, str(tmp_path / "w.safetensors"), "--base", "miniature", "--concept", "zeppelin", "--prompts", "4", "--json")
    look = json.loads(result.stdout)
    assert look["conclusion"] == "none" and "look.judge-unreliable" in {note["code"] for note in look["notes"]}
    page = (tmp_path / "look.html").read_text()
    assert page.index("No conclusion") < page.index("Can the judge be trusted?")
