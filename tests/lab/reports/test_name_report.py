"""Names and sizes of the source."""

from __future__ import annotations

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
