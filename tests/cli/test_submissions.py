"""``unconceal submissions``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codes import printed_codes
from unconceal.cli.main import main
from unconceal.cli.submissions import refuse_twins
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.specs.loader import load_submission


def submissions(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["submissions", *arguments, "--root", str(root)])


def test_list(data_root: Path) -> None:
    assert "ESD-x" in submissions(data_root, "list").stdout
    (row,) = json.loads(submissions(data_root, "list", "--json").stdout)
    assert (row["submission"], row["kind"], row["tasks"]) == ("esd-x", "method", ["object/star"])


def test_the_miniature_suite_has_its_rows() -> None:
    rows = json.loads(submissions(SOURCE_TREE, "list", "--json").stdout)
    kinds = {row["submission"]: row["kind"] for row in rows if row["suite"] == "miniature"}
    methods = {"esd-x", "esd-u", "uce", "decouple-to-nothing", "decouple-to-other"}
    assert {name for name, kind in kinds.items() if kind == "method"} == methods
    adversaries = {name for name in kinds if name.startswith("control-adversary-")}
    assert {name for name, kind in kinds.items() if kind == "control"} - adversaries == {
        "control-original",
        "control-unrelated",
        "control-collapsed",
    }
    assert {name for name, kind in kinds.items() if kind == "gold"} == {"control-gold-1", "control-gold-2", "control-gold-3"}
    assert all(len(row["tasks"]) >= 2 for row in rows if row["suite"] == "miniature" and row["submission"] not in adversaries)


def test_check_of_the_fields_alone(data_root: Path) -> None:
    (row,) = json.loads(submissions(data_root, "check", "--no-weights", "--json").stdout)
    assert row == {"submission": "esd-x", "task": "object/star", "format": "state-dict", "result": "ok"}
    missing = submissions(data_root, "check", "--no-weights", "--task", "object/none")
    assert missing.exit_code == 2 and printed_codes(missing.stderr) == ["submission.no-checkpoint"]


def test_check_reports_every_mistake(data_root: Path) -> None:
    path = data_root / "submissions/tiny/esd-x.yaml"
    path.write_text(path.read_text().replace("title:", "titel:").replace("object/star", "object/moon"))
    result = submissions(data_root, "check", "esd-x")
    assert result.exit_code == 1 and result.stderr.count("error: ") == 3
    assert "esd-x.yaml:3: titel" in result.stderr and "esd-x.yaml:6: task 'object/moon'" in result.stderr
    assert set(printed_codes(result.stderr)) == {"spec.missing-field", "spec.unknown-field", "submission.unknown-task"}


def test_misplaced_and_absent_submissions(data_root: Path) -> None:
    path = data_root / "submissions/tiny/esd-x.yaml"
    path.rename(data_root / "submissions/esd-x.yaml")
    assert printed_codes(submissions(data_root, "check").stderr) == ["spec.stray-file"]
    (data_root / "submissions/esd-x.yaml").unlink()
    assert submissions(data_root, "check").exit_code == 2
    assert submissions(data_root, "check", "esd-x").exit_code == 2


def test_check_without_a_base_model(data_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("unconceal.paths.PACKAGE", tmp_path)
    result = submissions(data_root, "check")
    assert result.exit_code == 3 and [line.split(":")[0] for line in result.stderr.splitlines()] == ["checking …", "error"]


def test_check_loads_the_weights(data_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from pipelines import tiny_pipeline

    monkeypatch.setattr("unconceal.paths.PACKAGE", tmp_path)
    pipe = tiny_pipeline(tmp_path / "tiny")
    pipe.save_pretrained(tmp_path / "miniature/weights/base")
    name, tensor = next((name, tensor) for name, tensor in pipe.unet.state_dict().items() if "attn2.to_k" in name)
    weights = data_root / "submissions/tiny/weights/star.safetensors"
    weights.parent.mkdir()
    for value, code in ((tensor + 1, ""), (tensor, "checkpoint.no-change"), (tensor * torch.nan, "checkpoint.not-finite")):
        save_file({name: value.contiguous()}, weights)
        result = submissions(data_root, "check", "--json")
        (row,) = json.loads(result.stdout)
        assert row.get("code", "") == code and result.exit_code == bool(code)
    weights.unlink()
    assert json.loads(submissions(data_root, "check", "--json").stdout)[0]["code"] == "checkpoint.not-found"


def new(root: Path, *answers: str) -> Result:
    return CliRunner().invoke(main, ["submissions", "new", "--root", str(root)], input="\n".join((*answers, "")))


ANSWERS = ("my-method", "Mine", "It unlearns.", "", "", "", "", "MIT", "")
"""Name, title, description, base (the suite's), method, paper, code, license, contact."""


def test_new_asks_and_writes(data_root: Path) -> None:
    result = new(data_root, "tiny", *ANSWERS, "someone/erased@main/esd.pt")
    assert result.exit_code == 0, result.output
    assert "submissions pin my-method" in result.output
    rows = {row["submission"]: row for row in json.loads(submissions(data_root, "list", "--json").stdout)}
    assert rows["my-method"]["drafts"] == ["object/star"] and rows["esd-x"]["drafts"] == []
    assert "base: package:miniature/weights/base" in (data_root / "submissions/tiny/my-method.yaml").read_text()
    assert not list((data_root / "submissions/tiny").glob("*.partial"))
    refused = submissions(data_root, "check", "my-method")
    assert refused.exit_code in (1, 3)


def test_new_refuses_each_wrong_answer_at_once_and_asks_again(data_root: Path) -> None:
    wrong = ("My Method", "esd-x", "control-mine")
    bases = ("someone/other-base", "")
    weights = ("../secret.pt", "someone/erased@main/model.onnx", "submissions/tiny/weights/none.pt", "someone/erased@main/esd.pt")
    result = new(data_root, "tiny", *wrong, *ANSWERS[:3], *bases, *ANSWERS[4:], *weights)
    assert result.exit_code == 0, result.output
    codes = ["spec.invalid-value", "submission.exists", "submission.control-name", "submission.other-base"]
    assert printed_codes(result.stderr) == [*codes, "path.outside-root", "submission.unknown-weights", "checkpoint.not-found"]


def test_new_takes_a_rule_in_place_of_weights(data_root: Path) -> None:
    wrong = ("{rule: negative-prompt", "{rule: forget}", "{rule: prompt-filter, words: []}")
    result = new(data_root, "tiny", *ANSWERS, *wrong, "{rule: prompt-filter, words: [star], instead: a ring}")
    assert result.exit_code == 0, result.output
    assert printed_codes(result.stderr) == ["inference.bad-mapping", "spec.invalid-value", "spec.invalid-value"]
    (checkpoint,) = load_submission(DataRoot.find(data_root), "tiny/my-method").checkpoints.values()
    assert checkpoint.format == "original" and checkpoint.inference is not None
    assert checkpoint.inference.model_dump() == {"rule": "prompt-filter", "words": ("star",), "instead": "a ring"}
    (row,) = json.loads(submissions(data_root, "check", "my-method", "--no-weights", "--json").stdout)
    assert row["result"].startswith("ok")


def test_new_keeps_the_answers_of_an_interrupted_draft(data_root: Path) -> None:
    assert new(data_root, "tiny", *ANSWERS[:3]).exit_code != 0
    result = new(data_root, "tiny", "", "", "", *ANSWERS[3:], "someone/erased@main/esd.pt")
    assert result.exit_code == 0, result.output
    text = (data_root / "submissions/tiny/my-method.yaml").read_text()
    assert "title: Mine" in text and "description: It unlearns." in text


def test_new_says_what_local_weights_hold(data_root: Path) -> None:
    import torch
    from safetensors.torch import save_file

    weights = data_root / "submissions/tiny/weights/mine.safetensors"
    weights.parent.mkdir()
    save_file({"conv_in.bias": torch.ones(8)}, weights)
    result = new(data_root, "tiny", *ANSWERS, "submissions/tiny/weights/mine.safetensors")
    assert result.exit_code == 0 and "mine.safetensors with 1 tensors" in result.output and "conv_in.bias" in result.output


def test_pin_writes_commit_and_digest(data_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    from hub.server import Hub, serving

    path = data_root / "submissions/tiny/esd-x.yaml"
    existing = "repo: someone/erased  # theirs\n    revision: main\n    file: x.pt"
    path.write_text(path.read_text().replace("path: submissions/tiny/weights/star.safetensors", existing))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    served = Hub()
    commit = served.add("someone/erased", {"x.pt": b"weights"})
    with serving(served):
        monkeypatch.setattr(constants, "ENDPOINT", served.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", served.address + "/{repo_id}/resolve/{revision}/{filename}")
        result = submissions(data_root, "pin", "esd-x")
        assert result.exit_code == 0, result.output
        pinned = path.read_text()
        assert submissions(data_root, "pin", "esd-x").exit_code == 0 and path.read_text() == pinned
    assert f"revision: {commit}" in pinned and f"sha256: {hashlib.sha256(b'weights').hexdigest()}" in pinned and "# theirs" in pinned


def test_render_draws_base_and_checkpoint(data_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from PIL import Image
    from safetensors.torch import save_file

    from pipelines import tiny_pipeline

    monkeypatch.setattr("unconceal.paths.PACKAGE", tmp_path)
    pipe = tiny_pipeline(tmp_path / "miniature/weights/base")
    weights = data_root / "submissions/tiny/weights/star.safetensors"
    weights.parent.mkdir()
    save_file({key: value + 1 for key, value in pipe.unet.state_dict().items() if "attn2.to_k" in key}, weights)
    result = submissions(data_root, "check", "--render", str(tmp_path / "pictures"), "--json")
    (row,) = json.loads(result.stdout)
    assert row["result"].startswith("ok") and Image.open(row["image"]).size == (128, 64)
    assert submissions(data_root, "check", "--render", "x", "--no-weights").exit_code == 2


def test_the_second_of_two_copies_is_refused_and_a_control_is_not() -> None:
    def row(submission: str, digest: str | None, task: str = "object/star") -> dict[str, object]:
        return {"suite": "tiny", "submission": submission, "task": task, "result": "ok", "code": "", "sha256": digest}

    rows = [row("mine", "a"), row("yours", "a"), row("yours", "a", "object/moon"), row("control-x", "a"), row("other", None)]
    refuse_twins(rows)
    assert [line["code"] for line in rows] == ["", "submission.twin", "", "", ""] and "mine" in str(rows[1]["result"])
    assert not [line for line in rows if "sha256" in line]


def test_a_copy_is_refused_when_it_is_checked_alone(data_root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the other's name, whether that states its digest or not; not if the other cannot be read."""
    from safetensors.torch import save_file

    from pipelines import tiny_pipeline

    monkeypatch.setattr("unconceal.paths.PACKAGE", tmp_path)
    pipe = tiny_pipeline(tmp_path / "miniature/weights/base")
    folder = data_root / "submissions/tiny"
    (folder / "weights").mkdir()
    save_file({key: value + 1 for key, value in pipe.unet.state_dict().items() if "attn2.to_k" in key}, folder / "weights/star.safetensors")
    (folder / "weights/copy.safetensors").write_bytes((folder / "weights/star.safetensors").read_bytes())
    text = (folder / "esd-x.yaml").read_text()
    (folder / "mine.yaml").write_text(text.replace("name: esd-x", "name: mine").replace("star.safetensors", "copy.safetensors"))

    def checked(*names: str) -> dict[str, tuple[str, str]]:
        rows = json.loads(submissions(data_root, "check", *names, "--json").stdout)
        return {row["submission"]: (row["code"], row["result"]) for row in rows}

    code, result = checked("mine")["mine"]
    assert code == "submission.twin" and "esd-x" in result
    digest = hashlib.sha256((folder / "weights/star.safetensors").read_bytes()).hexdigest()
    (folder / "esd-x.yaml").write_text(f"{text}    sha256: {digest}\n")
    (folder / "weights/star.safetensors").unlink()
    assert checked("mine")["mine"][0] == "submission.twin"
    (folder / "esd-x.yaml").write_text("name: esd-x\n")
    assert checked("mine")["mine"][0] == ""
