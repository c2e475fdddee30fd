"""``unconceal run`` on a suite of random weights: what it prints, and what stops it in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

from codes import printed_codes
from evaluation.tiny import submission_yaml, tiny_root
from unconceal.cli.main import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    created = tmp_path_factory.mktemp("tiny-cli")
    tiny_root(created)
    return created


def invoke(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments, "--root", str(folder), "--store", str(folder / "store"), "--threads", "1"])


def add(folder: Path, name: str, weights: dict[str, torch.Tensor] | None) -> None:
    (folder / f"submissions/tiny/{name}.yaml").write_text(submission_yaml(name))
    if weights is not None:
        save_file(weights, folder / f"models/{name}.safetensors")


def test_a_run_prints_the_verdict_and_writes_the_record(folder: Path) -> None:
    done = invoke(folder, "control-original", "--tier", "quick")
    assert done.exit_code == 0, done.output
    assert "control-original on object/star (quick):" in done.stdout
    assert (folder / "results/tiny-1/object/star/control-original.standard-quick.json").exists()


def test_a_dry_run_forecasts_and_writes_nothing(folder: Path) -> None:
    done = invoke(folder, "esd-x", "--tier", "quick", "--dry-run")
    assert done.exit_code == 0, done.output
    assert "θ, shared" in done.stdout and "forward passes" in done.stdout and "disk: " in done.stdout and "time: about" in done.stdout
    assert not (folder / "results/tiny-1/object/star/esd-x.standard-quick.json").exists()


def test_unknown_names_are_usage_errors(folder: Path) -> None:
    for arguments, code, value in (
        (("nobody",), "submission.unknown", "'nobody'"),
        (("esd-x", "--task", "object/moon"), "task.unknown", "object/moon'"),
        (("esd-x", "--tier", "full"), "suite.unknown-tier", "'full'"),
        (("esd-x", "--tier", "quick", "--device", "tpu"), "device.unknown", "tpu"),
    ):
        done = invoke(folder, *arguments)
        assert (done.exit_code, len(done.stderr.strip().splitlines())) == (2, 1), done.output
        assert printed_codes(done.stderr) == [code] and value in done.stderr


def refused(folder: Path, name: str) -> str:
    done = invoke(folder, name, "--tier", "quick")
    assert done.exit_code == 1, done.output
    assert not list((folder / "results").rglob(f"{name}*"))
    (code,) = printed_codes(done.stderr)
    return code


def test_checkpoints_that_must_not_count(folder: Path) -> None:
    good = load_file(folder / "models/esd-x.safetensors")
    key = next(iter(good))
    add(folder, "gone", None)
    add(folder, "nan", {**good, key: torch.full_like(good[key], float("nan"))})
    add(folder, "other", {key: torch.zeros(3, 3)})
    add(folder, "nothing", {"unet.no.such.weight": torch.zeros(3)})
    assert refused(folder, "gone") == "checkpoint.not-found"
    assert refused(folder, "nan") == "checkpoint.not-finite"
    assert refused(folder, "other") == "checkpoint.wrong-shape"
    assert refused(folder, "nothing") == "checkpoint.unknown-keys"
