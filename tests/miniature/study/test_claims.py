from __future__ import annotations

import os
from pathlib import Path

from unconceal.miniature.study.claims import claimed


def test_work_is_claimed_by_one_living_process(tmp_path: Path) -> None:
    with claimed(tmp_path / "claims", "a") as mine, claimed(tmp_path / "claims", "a") as again, claimed(tmp_path / "claims", "b") as other:
        assert mine and not again and other
    assert not list((tmp_path / "claims").iterdir())
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    (tmp_path / "claims" / "a").write_text(str(child))
    with claimed(tmp_path / "claims", "a") as mine:
        assert mine, "its holder is dead"
