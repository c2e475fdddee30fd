"""Who may be a control: what the suite declares, by name and digest, and nobody else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from codes import raises
from unconceal.paths import DataRoot
from unconceal.specs.controls import Controls, check_no_twin
from unconceal.specs.fill_digests import pin_controls
from unconceal.specs.loader import all_submissions, load_controls, load_submission, submission_files
from unconceal.specs.problems import SpecProblems

GOLD, OTHER = "a" * 64, "b" * 64
CONTROLS = f"suite: tiny\ncontrols:\n  control-original: {{object/star: null}}\n  control-gold-1: {{object/star: {GOLD}}}\n"


def write(data_root: Path, name: str, checkpoint: str) -> DataRoot:
    """The data root with the controls and one more submission."""
    (data_root / "tasks/tiny/controls.yaml").write_text(CONTROLS)
    text = f"name: {name}\nsuite: tiny\ntitle: T\ndescription: D\ncheckpoints:\n  object/star: {{{checkpoint}}}\n"
    (data_root / f"submissions/tiny/{name}.yaml").write_text(text)
    return DataRoot.find(data_root)


@pytest.mark.parametrize(
    ("name", "checkpoint", "code"),
    [
        ("control-gold-9", "path: a.pt", "submission.undeclared-control"),
        ("control-anything", "format: original", "submission.undeclared-control"),
        ("control-gold-1", f"path: a.pt, sha256: {OTHER}", "submission.other-control"),
        ("control-gold-1", "path: a.pt", "submission.other-control"),
        ("mine", f"path: a.pt, sha256: {GOLD}", "submission.twin"),
        ("mine", "format: original", "submission.twin"),
    ],
)
def test_impostors_are_refused(data_root: Path, name: str, checkpoint: str, code: str) -> None:
    with pytest.raises(SpecProblems) as caught:
        load_submission(write(data_root, name, checkpoint), name)
    assert [problem.code for problem in caught.value.problems] == [code]


@pytest.mark.parametrize(
    ("name", "checkpoint"),
    [("control-gold-1", f"path: a.pt, sha256: {GOLD}"), ("control-original", "format: original"), ("mine", f"path: a.pt, sha256: {OTHER}")],
)
def test_controls_and_methods_are_not(data_root: Path, name: str, checkpoint: str) -> None:
    assert load_submission(write(data_root, name, checkpoint), name).name == name


def test_weights_without_a_stated_digest_are_looked_at_when_they_are_read(data_root: Path) -> None:
    root = write(data_root, "mine", "path: a.pt")
    submission, controls = load_submission(root, "mine"), load_controls(root, "tiny")
    check_no_twin(controls, submission, "object/star", OTHER)
    check_no_twin(controls, submission, "object/moon", GOLD)
    with raises("submission.twin") as caught:
        check_no_twin(controls, submission, "object/star", GOLD)
    assert "control-gold-1" in str(caught.value)


def test_other_weights_of_a_control_are_declared_anew(data_root: Path) -> None:
    """In the suite's list and in the control's file at once; comments and other entries stay."""
    root = write(data_root, "control-gold-1", f"path: a.pt, sha256: {GOLD}")
    (data_root / "tasks/tiny/controls.yaml").write_text(f"# kept\n{CONTROLS}")
    assert pin_controls(root, "tiny") == {}, "its weights are not here"
    (data_root / "a.pt").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    changes = pin_controls(root, "tiny")
    assert set(changes.values()) == {digest} and len(changes) == 2
    text = (data_root / "tasks/tiny/controls.yaml").read_text()
    assert text.startswith("# kept\n") and GOLD not in text and digest in text
    assert load_submission(root, "control-gold-1").checkpoints["object/star"].sha256 == digest
    controls = load_controls(root, "tiny")
    assert controls is not None and controls.controls["control-original"] == {"object/star": None}
    assert pin_controls(root, "tiny") == {}


def test_every_control_of_the_source_tree_is_declared() -> None:
    root = DataRoot.find(Path(__file__).parents[2])
    assert len(all_submissions(root)) == len(submission_files(root))
    for suite in ("miniature", "sd14", "sd14-planted"):
        controls = load_controls(root, suite)
        assert isinstance(controls, Controls)
        assert set(controls.controls) == {file.name for file in submission_files(root) if file.suite == suite and "control-" in file.name}
