from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unconceal.evaluation.assemble import presence_curves
from unconceal.miniature.building.workshop import Workshop
from unconceal.miniature.study import surrogates
from unconceal.miniature.study.measuring import GRID, Study
from unconceal.miniature.study.population import members
from unconceal.miniature.study.rows import surrogate_rows
from unconceal.paths import SOURCE_TREE, DataRoot
from unconceal.specs.reading import load_suite


def test_curves_are_measured_once_and_become_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = replace(DataRoot.find(SOURCE_TREE), store=tmp_path / "store")
    study = Study.of(Workshop(tmp_path), data, load_suite(data, "miniature"))
    asked: list[str] = []

    def drawn(shop: object, evaluation: object, task: object, name: str) -> object:
        asked.append(name)
        answers = np.zeros((36, 2, len(GRID)))
        answers[:, 0, -1] = 1
        return presence_curves({"prompt": answers, "empty": answers}, {psi: place for place, psi in enumerate(GRID)})

    monkeypatch.setattr(surrogates, "drawn", drawn)
    original = next(member for member in members() if member.kind == "original" and member.concept == "zara")
    assert list(surrogate_rows(study, [original])) == [] and surrogates.names_for("star")[-1] == "gold-scratch"
    for _ in range(2):
        assert surrogates.measure(study, original, "ancestor")["prompt"][0][-1] == 0.5
    (row,) = surrogate_rows(study, [original])
    surrogates.run(study, [original])
    surrogates.run(study, [original])
    assert asked == ["ancestor", "surrogate"]
    assert (row.kind, row.task, row.name) == ("surrogate", "identity/zara", "ancestor")
    assert row.empty[35] == (0.0,) * 8 + (0.5,)
