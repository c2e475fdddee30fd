"""YAML as plain values with lines; nothing else is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from unconceal.specs.document import MAX_BYTES, Document


def read(tmp_path: Path, text: str) -> Document:
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return Document.read(path)


def test_scalars_follow_yaml_1_2(tmp_path: Path) -> None:
    document = read(tmp_path, "a: [1, 1e-3, 0x10, true, on, no, 2024-01-01, '1', ~, -2.5]\n")
    assert document.values == {"a": [1, 1e-3, 16, True, "on", "no", "2024-01-01", "1", None, -2.5]}
    assert document.problems == []


def test_every_place_has_its_line(tmp_path: Path) -> None:
    document = read(tmp_path, "# comment\na: 1\nb:\n  - x: 1\n  - x: 2\n    y: [1,\n      2]\n")
    assert [document.line(path) for path in (("a",), ("b",), ("b", 1, "x"), ("b", 1, "y", 1))] == [2, 3, 5, 7]
    assert document.line(("b", 1, "absent", "deeper")) == 5


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "stands twice (first in line 1)"),
        ("a: 1\nb: {c: 1, c: 2}\n", 2, "b.c: stands twice"),
        ("a: 1\nb: !!python/object/apply:os.system ['true']\n", 2, "tag"),
        ("a: !custom 1\n", 1, "tag '!custom'"),
        ("a: &x 1\n", 1, "anchor"),
        ("a: &x 1\nb: *x\n", 2, "alias"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("a: 1\n? [x, y]\n: 2\n", 2, "names no field"),
        ("a: [1,\n", 2, "is no YAML"),
        ("a: 1\n\tb: 2\n", 2, "is no YAML"),
        ("a: b: c\n", 1, "is no YAML"),
        ("- x\n", None, "holds no mapping"),
        ("just words\n", None, "holds no mapping"),
        ("", None, "holds no mapping"),
    ],
)
def test_what_is_not_plain_is_refused(tmp_path: Path, text: str, line: int | None, said: str) -> None:
    problems = read(tmp_path, text).problems
    assert any(problem.line == line and said in str(problem) for problem in problems), list(map(str, problems))


def test_aliases_are_never_expanded(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    document = read(tmp_path, bomb)
    assert document.values is None and document.problems


def test_deep_nesting_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    assert "may nest" in str(read(tmp_path, "a: " + "[" * 20000).problems[0])


def test_files_that_cannot_be_text(tmp_path: Path) -> None:
    assert "cannot be read" in str(Document.read(tmp_path / "absent.yaml").problems[0])
    assert "cannot be read" in str(Document.read(tmp_path).problems[0])
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00\x01")
    assert "no UTF-8" in str(Document.read(tmp_path / "bytes.yaml").problems[0])
    (tmp_path / "large.yaml").write_text("#" * (MAX_BYTES + 1))
    assert "more than a spec may hold" in str(Document.read(tmp_path / "large.yaml").problems[0])
    (tmp_path / "nul.yaml").write_bytes(b"a: \x00\n")
    assert "is no YAML" in str(Document.read(tmp_path / "nul.yaml").problems[0])


def test_random_mistakes_raise_nothing_but_our_own(tmp_path: Path) -> None:
    """A hundred cases; the long run is ``python tools/fuzz.py 10000``."""
    from fuzz import count, mutated_spec, read_spec

    result = count(mutated_spec, read_spec, 100, tmp_path)
    assert result["refused"] > 20
