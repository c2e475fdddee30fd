"""The part of a result page about neighbours and attacks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codes import raises
from leaderboard.probed import CONCEPTS, damaged, probed
from leaderboard.records import score
from unconceal.results.result_tables import ResultRow
from unconceal.site.image_blocks import InlineImages
from unconceal.site.probe_part import ProbePart, attack_chart, probe_part, read_sheet
from unconceal.site.scatter_chart import LINE_HEIGHT, columns, damage_points, label_levels, scatter_chart, spread
from unconceal.specs.record import Record

TILE = 8


def sheet(path: Path, n_attacks: int = 1, metadata: object = None) -> Path:
    """A sheet of flat tiles: dark before, bright after."""
    n_rows = len(CONCEPTS) + n_attacks
    pixels = np.concatenate([np.full((n_rows * TILE, TILE, 3), shade, np.uint8) for shade in (40, 220)], axis=1)
    prompts = [{"probes": "careful", "prompt": f"a badge <{number}>"} for number in range(n_attacks)]
    content = {"tile": TILE, "neighbours": CONCEPTS, "attacks": prompts} if metadata is None else metadata
    Image.fromarray(pixels).save(path, "JPEG", quality=95, comment=json.dumps(content).encode())
    return path


def part_of(record: Record, folder: Path) -> ProbePart | None:
    return probe_part(ResultRow(record, folder / "x.json"), InlineImages())


def test_a_record_without_probe_results_has_no_part(tmp_path: Path) -> None:
    assert part_of(damaged("object/star", "uce").model_copy(update={"probe_results": None}), tmp_path) is None


def test_the_part_has_charts_images_and_numbers(tmp_path: Path) -> None:
    sheet(tmp_path / "x.probes.jpg")
    part = part_of(damaged("object/star", "uce"), tmp_path)
    assert part is not None
    assert [chart.title.partition(":")[0] for chart in part.scatters] == ["careful", "weak"]
    assert [row.name for row in part.neighbours] == [*CONCEPTS] and [row.name for row in part.attacks] == ["a badge <0>"]
    assert part.correlations[0] == ("careful", ".60 [.20, .80]", "–", "–") and part.correlations[-1] == ("ceiling", ".77", "–", "–")
    assert part.attack_rates[0] == ("careful", "all", ".50 [.10, .90]", "2", ".25") and part.ineligible == ("concept 11 (.20)",)
    assert part.sheet_url.startswith("data:image/jpeg;base64,") and part.attacks[0].index == len(CONCEPTS)


def test_without_a_sheet_there_are_numbers_alone(tmp_path: Path) -> None:
    part = part_of(damaged("object/star", "uce"), tmp_path)
    assert part is not None and part.neighbours == part.attacks == () and part.correlations and not part.message


def test_a_broken_sheet_is_reported_on_the_page(tmp_path: Path) -> None:
    (tmp_path / "x.probes.jpg").write_bytes(b"no image")
    part = part_of(damaged("object/star", "uce"), tmp_path)
    assert part is not None and part.message and not part.sheet_url


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"tile": TILE}, "probe-sheet.unreadable"),
        ([1], "probe-sheet.unreadable"),
        ({"tile": TILE, "neighbours": ["ring"], "attacks": []}, "probe-sheet.mismatch"),
    ],
)
def test_a_sheet_that_does_not_fit_is_refused(tmp_path: Path, metadata: object, code: str) -> None:
    with raises(code):
        read_sheet(sheet(tmp_path / "x.probes.jpg", metadata=metadata))
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    with raises("image.unreadable"):
        read_sheet(tmp_path / "broken.jpg")


def test_the_scatter_names_every_neighbour_with_a_damage() -> None:
    results = probed([0.1 * index for index in range(12)])
    points = damage_points(results, results.rankers[0])
    svg = str(scatter_chart(points, "title", "similarity"))
    assert all(len(re.findall(rf">{concept}<", svg)) == 1 for concept in CONCEPTS)
    assert svg.count('class="hollow"') == 1 and svg.count('class="dot"') == 11
    assert ">concept 3<" not in str(scatter_chart([point for point in points if point.name != "concept 3"], "title", "similarity"))


def test_names_are_moved_apart_in_their_order() -> None:
    moved = spread([0.0, 0.01, 0.5, 0.01], 0.1)
    assert np.argsort(moved, kind="stable").tolist() == np.argsort([0.0, 0.01, 0.5, 0.01], kind="stable").tolist()
    assert min(np.diff(sorted(moved))) >= 0.1 - 1e-12 and np.mean(moved) == pytest.approx(0.13)
    assert columns([3.0, 1, 1.5, 2.0, 3.9]) == [[1, 2], [3], [0, 4]]
    assert np.diff(label_levels([(1.0, 100.0), (1.2, 101.0), (4.0, 100.5)]))[0] == pytest.approx(LINE_HEIGHT)


def test_each_attack_is_drawn_once() -> None:
    record = damaged("object/star", "uce").model_copy(update={"attacks": {"careful": score(0.5), "other": score(0.1)}})
    chart = attack_chart(record)
    assert chart is not None and chart.svg.count(">careful<") == 1 and chart.svg.count(">other<") == 1
