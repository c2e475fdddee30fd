"""Whatever the bytes, every reader raises our own errors only; the long run is ``python tools/fuzz.py 20000``."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz import READERS, count

CASES = 500


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_random_mistakes_raise_nothing_but_our_own(tmp_path: Path, name: str) -> None:
    (tmp_path / "root" / "tasks").mkdir(parents=True)
    mutate, read = READERS[name]
    counts = count(mutate, read, CASES // len(READERS), tmp_path)
    assert counts["refused"] > 0 and counts["read"] + counts["refused"] >= CASES // len(READERS)
