"""No module imports itself through others, not even inside of functions; imports for types alone do not count."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "benchmark"


def module_name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Modules and ``module.name`` of every import at run time."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from imported_names(node)


def import_graph(root: Path) -> dict[str, set[str]]:
    """Module to the modules below ``root`` that it imports."""
    paths = {module_name(path, root): path for path in root.rglob("*.py")}
    graph = {}
    for module, path in paths.items():
        names = set(imported_names(ast.parse(path.read_text(encoding="utf-8"))))
        modules = {name if name in paths else name.rpartition(".")[0] for name in names}
        graph[module] = modules & paths.keys() - {module}
    return graph


def test_no_circles() -> None:
    graph = import_graph(SOURCE)
    assert len(graph) > 300
    TopologicalSorter(graph).prepare()


def test_a_circle_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from b import f\n")
    (tmp_path / "b.py").write_text("def f():\n    import a\n")
    with pytest.raises(CycleError):
        TopologicalSorter(import_graph(tmp_path)).prepare()
