"""Private words among variable and parameter names, and lengths of files and functions, from the source's syntax trees."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PRIVATE_WORDS = frozenset(
    (
        *("found", "said", "told", "one", "asked", "made", "shown", "place", "of", "seen", "drawn", "how", "here", "ours", "theirs"),
        *("each", "kept", "known", "wanted", "named", "apart", "by", "way", "there", "mine", "yours"),
    )
)
"""Words that tell how a value came about instead of what it is."""


@dataclass(frozen=True)
class SourceFile:
    """Names and lengths of one file.

    Attributes:
        path: Relative to the folder that was read.
        n_lines: Lines of the file.
        n_names: Bindings of variables and parameters; a name bound twice counts twice.
        private: Those whose name is in ``PRIVATE_WORDS``.
        function_lengths: Lines of every function, decorators excluded.
    """

    path: Path
    n_lines: int
    n_names: int
    private: Counter[str]
    function_lengths: tuple[int, ...]

    @property
    def n_private(self) -> int:
        return self.private.total()


def read_sources(folder: Path) -> list[SourceFile]:
    """Every Python file below a folder."""
    return [read_source(path, folder) for path in sorted(folder.rglob("*.py"))]


def read_source(path: Path, folder: Path) -> SourceFile:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    names = [name.strip("_") for name in bound_names(tree)]
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    lengths = tuple((node.end_lineno or node.lineno) - node.lineno + 1 for node in functions)
    private = Counter(name for name in names if name in PRIVATE_WORDS)
    return SourceFile(path.relative_to(folder), len(text.splitlines()), len(names), private, lengths)


def bound_names(tree: ast.AST) -> Iterator[str]:
    """Names of variables, as often as they are bound, and of parameters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


def total_share(sources: Sequence[SourceFile]) -> float:
    """Share of private words among all names, [0, 1]."""
    return sum(source.n_private for source in sources) / max(sum(source.n_names for source in sources), 1)


def size_summary(lengths: Sequence[int]) -> tuple[float, float, float]:
    """Median, 90th percentile and maximum."""
    median, percentile, longest = np.quantile(lengths, [0.5, 0.9, 1.0])
    return float(median), float(percentile), float(longest)
