"""The report's part on neighbours and attacks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leaderboard.probed import CONCEPTS, damaged, probed
from unconceal.errors import CheckFailed
from unconceal.leaderboard.probe_charts import columns, probe_page, scatter, spread
from unconceal.leaderboard.probe_sheets import read_sheet

TILE = 8


def sheet(path: Path, attacks: int = 1, said: object = None) -> Path:
    """A sheet of flat tiles: dark before, bright after."""
    rows = len(CONCEPTS) + attacks
    pixels = np.concatenate([np.full((rows * TILE, TILE, 3), shade, np.uint8) for shade in (40, 220)], axis=1)
    prompts = [{"probes": "careful", "prompt": f"a badge <{number}>"} for number in range(attacks)]
    about = {"tile": TILE, "neighbours": CONCEPTS, "attacks": prompts} if said is None else said
    Image.fromarray(pixels).save(path, "JPEG", quality=95, comment=json.dumps(about).encode())
    return path


def test_a_record_that_was_not_probed_has_no_part(tmp_path: Path) -> None:
    record = damaged("object/star", "uce").model_copy(update={"probed": None})
    assert probe_page(record, tmp_path / "none.jpg") is None


def test_the_part_holds_figures_pictures_and_numbers(tmp_path: Path) -> None:
    page = probe_page(damaged("object/star", "uce"), sheet(tmp_path / "x.probes.jpg"))
    assert page is not None
    assert [name for name, _ in page.scatters] == ["careful", "weak"]
    assert [row.name for row in page.neighbours] == [*CONCEPTS] and [row.name for row in page.attacks] == ["a badge <0>"]
    assert page.orderings[0] == ("careful", ".60 [.20, .80]", "–", "–") and page.orderings[-1] == ("ceiling", ".77", "–", "–")
    assert page.rates[0] == ("careful", "all", ".50 [.10, .90]", "2", ".25") and page.left_out == ("concept 11 (.20)",)


def test_without_a_sheet_there_are_numbers_alone(tmp_path: Path) -> None:
    page = probe_page(damaged("object/star", "uce"), tmp_path / "none.jpg")
    assert page is not None and page.neighbours == page.attacks == () and page.orderings


@pytest.mark.parametrize("said", [{"tile": TILE}, [1], {"tile": TILE, "neighbours": ["ring"], "attacks": []}])
def test_a_sheet_that_does_not_fit_is_refused(tmp_path: Path, said: object) -> None:
    with pytest.raises(CheckFailed, match=r"sheet of neighbours|does not fit"):
        read_sheet(sheet(tmp_path / "x.probes.jpg", said=said))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(CheckFailed, match="is no sheet"):
        read_sheet(tmp_path / "broken.jpg")


def test_the_scatter_names_every_neighbour_it_has_a_damage_of() -> None:
    found = probed([0.1 * place for place in range(12)])
    svg = str(scatter(found.orderers[0], found.neighbours))
    assert all(len(re.findall(rf">{concept}<", svg)) == 1 for concept in CONCEPTS) and "var(--own)" in svg
    assert ">concept 3<" not in str(scatter(found.orderers[0], [one for one in found.neighbours if one.concept != "concept 3"]))


def test_names_are_pushed_apart_in_their_order() -> None:
    moved = spread([0.0, 0.01, 0.5, 0.01], 0.1)
    assert np.argsort(moved, kind="stable").tolist() == np.argsort([0.0, 0.01, 0.5, 0.01], kind="stable").tolist()
    assert min(np.diff(sorted(moved))) >= 0.1 - 1e-12 and np.mean(moved) == pytest.approx(0.13)
    assert columns(np.array([3.0, 1, 1.5, 2.0, 3.9])) == [[1, 2], [3], [0, 4]]
