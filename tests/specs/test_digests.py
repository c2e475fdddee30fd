"""Digests against the standard library, by hand."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from unconceal.specs.digests import canonical_digest, file_digest, folder_digest, path_digest


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_folder_is_the_digest_of_its_sorted_lines(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x").write_bytes(b"one")
    (tmp_path / "a").write_bytes(b"two")
    lines = f"a\0{sha(b'two')}\nb/x\0{sha(b'one')}\n"
    assert folder_digest(tmp_path) == path_digest(tmp_path) == sha(lines.encode())
    assert file_digest(tmp_path / "a") == path_digest(tmp_path / "a") == sha(b"two")


def test_names_count(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    before = folder_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert folder_digest(tmp_path) != before


def test_canonical_json_is_rfc_8785() -> None:
    assert canonical_digest({"b": 1.0, "a": [True, None, "ψ"]}) == sha('{"a":[true,null,"ψ"],"b":1}'.encode())
    assert canonical_digest({"a": 1, "b": 2}) == canonical_digest({"b": 2, "a": 1})
    with pytest.raises(ValueError, match=r"(?i)nan"):
        canonical_digest(float("nan"))
