"""References of every kind that must not reach the Hub, the file system or another server."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from codes import mistake_codes
from service.stub import COMMIT, request

REFUSED = [
    "someone/erased",
    "someone/erased@main",
    f"someone/erased@{COMMIT[:12]}",
    f"someone/erased@{COMMIT.upper()}",
    f"http://127.0.0.1:8000/someone/erased@{COMMIT}",
    f"https://huggingface.co/someone/erased@{COMMIT}",
    f"file:///etc/passwd@{COMMIT}",
    f"//169.254.169.254/latest@{COMMIT}",
    f"localhost:6379/x@{COMMIT}",
    f"user:password@host/x@{COMMIT}",
    f"../../etc@{COMMIT}",
    f"someone/..@{COMMIT}",
    f"someone/erased@{COMMIT}/../../etc/passwd",
    f"someone/erased@{COMMIT}/a..b.safetensors",
    f"someone/erased@{COMMIT}//etc/passwd",
    f"someone/erased@{COMMIT}/.git/config",
    f"someone/erased@{COMMIT}/a\\b.safetensors",
    f"someone/erased@{COMMIT}/a%2e%2e/b.pt",
    f"someone/erased@{COMMIT}/a.pt\n",
    f"someone/erased@{COMMIT}/a.pt?x=1",
    f"someone/erased@{COMMIT}#x",
    f"ѕomeone/erased@{COMMIT}",
    f"someone/erased@{COMMIT}\x00",
    f"a/b/c@{COMMIT}",
    "",
]


@pytest.mark.parametrize("reference", REFUSED, ids=range(len(REFUSED)))
def test_a_reference_that_names_no_checkpoint_at_a_commit_is_refused(reference: str) -> None:
    with pytest.raises(ValidationError) as caught:
        request(reference=reference)
    assert mistake_codes(caught.value) == ["request.bad-reference"]


@pytest.mark.parametrize(
    ("inside", "file", "subfolder"),
    [("", None, None), ("/star.safetensors", "star.safetensors", None), ("/a/b.pt", "a/b.pt", None), ("/unet", None, "unet")],
)
def test_a_reference_becomes_a_pinned_checkpoint(inside: str, file: str | None, subfolder: str | None) -> None:
    checkpoint = request(reference=f"someone/erased@{COMMIT}{inside}").submission().checkpoints["object/star"]
    assert (checkpoint.repo, checkpoint.revision, checkpoint.file, checkpoint.subfolder) == ("someone/erased", COMMIT, file, subfolder)
    assert not checkpoint.is_draft and checkpoint.path is None


def test_a_file_that_holds_no_weights_is_no_submission() -> None:
    with pytest.raises(ValidationError) as caught:
        request(reference=f"someone/erased@{COMMIT}/run.py")
    assert mistake_codes(caught.value) == ["submission.unknown-weights"]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "control-gold-1"},
        {"name": "../x"},
        {"task": "../../x"},
        {"suite": "a/b"},
        {"tier": "huge"},
        {"title": "a\nb"},
        {"title": "x" * 201},
        {"paper": "javascript:alert(1)"},
    ],
    ids=str,
)
def test_other_fields(changes: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        request(0, **changes)


def test_equal_measurements_have_one_key() -> None:
    assert request(name="a").key == request(name="b").key != request(1).key
