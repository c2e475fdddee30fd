"""What a suite needs: all there, something missing, and what only the Hub has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codes import printed_codes
from hub.server import Hub, serving
from unconceal.cli.main import main
from unconceal.specs.digests import file_digest
from unconceal.specs.judge_training import gate_path

HUB_SUITE = f"base: {{repo: someone/base, revision: main, path: ., digest: '{'0' * 64}', license: MIT, gigabytes: 0.5}}"


def invoke(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--root", str(folder)])


def states(folder: Path) -> dict[str, str]:
    return {row["part"]: row["state"] for row in json.loads(invoke(folder, "doctor", "--suite", "tiny", "--json").stdout)}


@pytest.fixture
def local(data_root: Path) -> Path:
    """A suite whose base, judges and CLIP are files of the data root, all of them pinned."""
    suite = data_root / "tasks/tiny/suite.yaml"
    (data_root / "part.bin").write_bytes(b"weights")
    text = suite.read_text()
    for name in ("base", "judge", "extractors/resnet18.safetensors", "clip"):
        text = text.replace(f"package:miniature/weights/{name}", "part.bin")
    digest = file_digest(data_root / "part.bin")
    suite.write_text(text.replace("0" * 64, digest))
    write_gate(data_root, digest, 0.95)
    return data_root


def write_gate(folder: Path, digest: str, low: float) -> None:
    """What the judge reached on the task's label."""
    reached = {"value": 0.96, "low": low, "high": 1, "positives": 40, "negatives": 400}
    gate_path(folder / "part.bin").write_text(
        json.dumps({"judge": digest, "min_balanced_accuracy": 0.9, "labels": {"subject/star": reached}})
    )


def test_everything_is_there(local: Path) -> None:
    result = states(local)
    assert {name: state for name, state in result.items() if not name.startswith("control")} == dict.fromkeys(
        ("base", "judges.concept", "judges.clip", "judges.extractors.resnet18"), "present"
    )
    assert invoke(local, "doctor", "--suite", "tiny").exit_code == 0


def test_a_judge_that_fails_its_gate(local: Path) -> None:
    write_gate(local, file_digest(local / "part.bin"), 0.7)
    done = invoke(local, "doctor", "--suite", "tiny")
    assert done.exit_code == 3 and "0.700" in states(local)["gate of object/star"]
    lint = invoke(local, "tasks", "lint", "object/star")
    assert lint.exit_code == 1 and printed_codes(lint.stderr) == ["judge.gate-failed"]
    gate_path(local / "part.bin").unlink()
    assert printed_codes(invoke(local, "tasks", "lint", "object/star").stderr) == ["judge.no-gate"]


def test_altered_and_missing_files_are_listed(local: Path) -> None:
    (local / "part.bin").write_bytes(b"other weights")
    assert states(local)["base"] == "other than pinned"
    (local / "part.bin").unlink()
    done = invoke(local, "doctor", "--suite", "tiny")
    assert done.exit_code == 3 and printed_codes(done.stderr) == ["doctor.missing"] and "4 of 4" in done.stderr
    assert states(local)["judges.clip"] == "missing"


def test_a_base_on_the_hub_is_pinned_and_then_there(local: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    from unconceal.hub.pin_submission import pin_hub_models
    from unconceal.paths import DataRoot
    from unconceal.specs.loader import load_suite

    suite = local / "tasks/tiny/suite.yaml"
    lines = [HUB_SUITE if line.startswith("base:") else line for line in suite.read_text().splitlines()]
    suite.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert states(local)["base"] == "missing, not pinned"
    served = Hub()
    commit = served.add("someone/base", {"model_index.json": b"{}", "unet/model.safetensors": b"x", "tokenizer/vocab.json": b"{}"})
    with serving(served):
        pin_hub_models(DataRoot.find(local), "tiny", served.address)
    base = load_suite(DataRoot.find(local), "tiny").base
    assert base.revision == commit and not base.is_draft and base.license == "MIT"
    assert states(local)["base"] == "present"


def test_the_real_suite_lists_all_that_has_to_be_fetched() -> None:
    done = CliRunner().invoke(main, ["doctor", "--suite", "sd14", "--json"])
    rows = json.loads(done.stdout)
    assert {row["part"] for row in rows} >= {"base", "judges.concept", "judges.clip", "judges.extractors.resnet18", "prompts", "detector"}
    assert all(row["license"] for row in rows if row["part"] != "judges.concept")
    assert all(row["gigabytes"] for row in rows if not row["part"].startswith("judges.concept"))
