"""Digests are written into specs without touching anything else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from codes import raises
from unconceal import paths
from unconceal.paths import DataRoot
from unconceal.specs.digests import path_digest
from unconceal.specs.fill_digests import fill_values, pin_submissions, pin_suite
from unconceal.specs.loader import load_submission, load_suite

PARTS = ("base/unet", "judge/head", "clip/model", "extractors/resnet18.safetensors")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the installed package's weights."""
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "package")
    weights = tmp_path / "package/miniature/weights"
    for part in PARTS:
        (weights / part).parent.mkdir(parents=True, exist_ok=True)
        (weights / part).write_text(part)
    return weights


def test_a_suite_is_pinned_to_what_is_there(data_root: Path, package: Path) -> None:
    root = DataRoot.find(data_root)
    assert set(pin_suite(root, "tiny")) == {"base", "judges.concept", "judges.clip", "judges.extractors.resnet18"}
    suite = load_suite(root, "tiny")
    assert suite.base.digest == path_digest(package / "base")
    assert suite.judges.extractors["resnet18"].digest == hashlib.sha256(PARTS[3].encode()).hexdigest()
    assert pin_suite(root, "tiny") == {}


def test_what_is_missing_cannot_be_pinned(data_root: Path, package: Path) -> None:
    before = (data_root / "tasks/tiny/suite.yaml").read_text()
    (package / PARTS[3]).unlink()
    with raises("suite.missing-file"):
        pin_suite(DataRoot.find(data_root), "tiny")
    assert (data_root / "tasks/tiny/suite.yaml").read_text() == before


def test_checkpoints_get_a_line_of_their_own(data_root: Path) -> None:
    root = DataRoot.find(data_root)
    assert pin_submissions(root, "tiny") == {}
    weights = data_root / "submissions/tiny/weights/star.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"first")
    before = (data_root / "submissions/tiny/esd-x.yaml").read_text().split("\n")
    assert list(pin_submissions(root, "tiny")) == ["esd-x: checkpoints.object/star"]
    after = (data_root / "submissions/tiny/esd-x.yaml").read_text().split("\n")
    assert [line for line in after if "sha256" not in line] == before
    weights.write_bytes(b"second")
    pin_submissions(root, "tiny")
    assert load_submission(root, "esd-x").checkpoints["object/star"].sha256 == hashlib.sha256(b"second").hexdigest()


def test_flow_style_and_several_places(tmp_path: Path) -> None:
    path, digest = tmp_path / "s.yaml", "ab" * 32
    path.write_text("a: {path: x, format: auto}  # note\nb:\n  path: y\nc: {path: z}\n")
    fill_values(path, {("a", "sha256"): digest, ("b", "sha256"): digest, ("c", "sha256"): digest})
    expected = "a: {path: x, sha256: _, format: auto} # note\nb:\n  path: y\n  sha256: _\nc: {path: z, sha256: _}\n"
    assert path.read_text() == expected.replace("_", digest)
