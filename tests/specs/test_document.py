"""YAML as plain values with lines; nothing else is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from unconceal.specs.document import MAX_BYTES, Document


def read(tmp_path: Path, text: str) -> Document:
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return Document.read(path)


def codes_of(document: Document) -> list[str]:
    return [problem.code for problem in document.problems]


def test_scalars_follow_yaml_1_2(tmp_path: Path) -> None:
    document = read(tmp_path, "a: [1, 1e-3, 0x10, true, on, no, 2024-01-01, '1', ~, -2.5]\n")
    assert document.values == {"a": [1, 1e-3, 16, True, "on", "no", "2024-01-01", "1", None, -2.5]}
    assert document.problems == []


def test_every_place_has_its_line(tmp_path: Path) -> None:
    document = read(tmp_path, "# comment\na: 1\nb:\n  - x: 1\n  - x: 2\n    y: [1,\n      2]\n")
    assert [document.line(path) for path in (("a",), ("b",), ("b", 1, "x"), ("b", 1, "y", 1))] == [2, 3, 5, 7]
    assert document.line(("b", 1, "absent", "deeper")) == 5


@pytest.mark.parametrize(
    ("text", "line", "code", "part"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "spec.duplicate-key", "line 1"),
        ("a: 1\nb: {c: 1, c: 2}\n", 2, "spec.duplicate-key", "b.c"),
        ("a: 1\nb: !!python/object/apply:os.system ['true']\n", 2, "spec.tag", "os.system"),
        ("a: !custom 1\n", 1, "spec.tag", "'!custom'"),
        ("a: &x 1\n", 1, "spec.alias", "&x"),
        ("a: &x 1\nb: *x\n", 2, "spec.alias", "*x"),
        ("a: 1\n---\nb: 2\n", 2, "spec.several-documents", "---"),
        ("a: 1\n? [x, y]\n: 2\n", 2, "spec.bad-key", ""),
        ("a: [1,\n", 2, "spec.not-yaml", ""),
        ("a: 1\n\tb: 2\n", 2, "spec.not-yaml", ""),
        ("a: b: c\n", 1, "spec.not-yaml", ""),
        ("- x\n", None, "spec.empty", ""),
        ("just words\n", None, "spec.empty", ""),
        ("", None, "spec.empty", ""),
    ],
)
def test_yaml_beyond_plain_values_is_refused(tmp_path: Path, text: str, line: int | None, code: str, part: str) -> None:
    problems = read(tmp_path, text).problems
    assert any((problem.line, problem.code) == (line, code) and part in str(problem) for problem in problems), list(map(str, problems))


def test_aliases_are_never_expanded(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    document = read(tmp_path, bomb)
    assert document.values is None and document.problems


def test_deep_nesting_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    assert codes_of(read(tmp_path, "a: " + "[" * 20000)) == ["spec.too-deep"]


def test_files_that_cannot_be_text(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "large.yaml").write_text("#" * (MAX_BYTES + 1))
    (tmp_path / "nul.yaml").write_bytes(b"a: \x00\n")
    expected = {"absent": "unreadable", "bytes": "not-utf8", "large": "too-large", "nul": "not-yaml"}
    for name, code in expected.items():
        assert codes_of(Document.read(tmp_path / f"{name}.yaml")) == [f"spec.{code}"]
    assert codes_of(Document.read(tmp_path)) == ["spec.unreadable"]


def test_random_mistakes_raise_nothing_but_our_own(tmp_path: Path) -> None:
    """A hundred cases; the long run is ``python tools/fuzz.py 10000``."""
    from fuzz import count, mutated_spec, read_spec

    result = count(mutated_spec, read_spec, 100, tmp_path)
    assert result["refused"] > 20
