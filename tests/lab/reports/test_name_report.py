"""Names and sizes of the source."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from unconceal.paths import SOURCE_TREE
from unconceal_lab.reports.name_report import read_source, read_sources, total_share

MAX_SHARE, MAX_FILE, MAX_FUNCTION = 0.005, 400, 60


def test_bindings_and_parameters_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f(found, value):\n    said = found\n    said = value\n    return said.told\n")
    source = read_source(tmp_path / "a.py", tmp_path)
    assert source.private == {"found": 1, "said": 2} and source.n_names == 4
    assert (source.n_lines, source.function_lengths) == (4, (4,))


def test_the_source_has_few_private_words_and_no_long_file_or_function() -> None:
    sources = read_sources(SOURCE_TREE / "benchmark")
    assert total_share(sources) < MAX_SHARE
    assert not [source.path for source in sources if source.n_lines > MAX_FILE]
    assert not [source.path for source in sources if max(source.function_lengths, default=0) > MAX_FUNCTION]


def test_no_two_public_classes_and_no_two_modules_share_a_name() -> None:
    """But a command and its room, ``cli/store.py`` and ``generate/store.py``, and the two packages."""
    for package in ("unconceal", "unconceal_lab"):
        paths = [path for path in (SOURCE_TREE / "benchmark" / package).rglob("*.py") if path.stem not in ("__init__", "__main__")]
        modules = Counter(path.stem for path in paths if path.parent.name != "cli")
        nodes = [node for path in paths for node in ast.parse(path.read_text(encoding="utf-8")).body]
        classes = Counter(node.name for node in nodes if isinstance(node, ast.ClassDef) and not node.name.startswith("_"))
        assert [name for name, count in (modules + classes).items() if count > 1] == []
