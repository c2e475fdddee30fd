"""LEADERBOARD.md as a file: where it lies, what it should say, and whether it does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from unconceal.errors import CheckFailed
from unconceal.leaderboard.markdown import leaderboard
from unconceal.leaderboard.reported_tables import reported_section
from unconceal.leaderboard.sources import Sources
from unconceal.paths import DataRoot
from unconceal.results.result_tables import ResultTable, newest_boards, read_for_ranking
from unconceal.specs.reported import load_reported


def leaderboard_path(root: DataRoot) -> Path:
    """Beside the results."""
    return root.results.parent / "LEADERBOARD.md"


def leaderboard_text(root: DataRoot, boards: Iterable[ResultTable] | None = None, sources: Sources | None = None) -> str:
    """What the file should say; ``boards`` with their ``sources``: instead of the records under results/."""
    found = newest_boards(root.result_folders, read_for_ranking) if boards is None else boards
    tables = leaderboard(found, sources or Sources(root), leaderboard_path(root).parent)
    return tables + reported_section(load_reported(root.result_folders))


def refuse_stale(path: Path, text: str) -> None:
    """Raises CheckFailed if the file is not what the records say."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        raise CheckFailed(
            str(path), "is stale: it does not show the records under results/", "run `unconceal leaderboard`, commit the file"
        )
