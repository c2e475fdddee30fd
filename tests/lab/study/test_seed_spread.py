"""How much scores depend on who measures, on made-up rows whose answers are known."""

from __future__ import annotations

import pytest

from study_rows import row
from unconceal.specs.suite import Scoring
from unconceal_lab.study import settings_page
from unconceal_lab.study.findings import score
from unconceal_lab.study.seed_spread import classifier_seed_spread, extractor_agreement, rank_differences
from unconceal_lab.study.settings import USUAL
from unconceal_lab.study.study_rows import Row

STEM = "ccs.forget"
NAMES = [f"m{index}" for index in range(6)]


def scored(name: str, setting: str = USUAL, kind: str = "method", **values: float) -> Row:
    return row(name, kind, setting=setting, scores={f"{STEM}.{extractor}": value for extractor, value in values.items()})


def test_the_spread_over_seeds_is_compared_with_that_over_models() -> None:
    rows = [
        scored(name, setting, resnet18=path + shift)
        for path, name in enumerate(NAMES[:3])
        for setting, shift in ((USUAL, 0.0), ("classifier 2", 0.1), ("classifier 3", -0.1))
    ]
    result = classifier_seed_spread(rows, f"{STEM}.resnet18", (USUAL, "classifier 2", "classifier 3"))
    assert result is not None and result.n == 3
    assert result.seeds == pytest.approx(0.1) and result.models == pytest.approx(1.0)
    assert "| 10%" in settings_page.classifier_seeds(rows, Scoring())
    assert classifier_seed_spread(rows[:5], f"{STEM}.resnet18", (USUAL, "classifier 2", "classifier 3")) is None, "one model has no spread"


def test_extractors_that_agree_and_one_that_reverses_the_order() -> None:
    rows = [
        scored(name, kind="gold" if path < 3 else "decoupled", resnet18=path, densenet121=2.0 * path, efficientnet_b0=-path)
        for path, name in enumerate(NAMES)
    ]
    rows.append(scored("control-original", kind="original", resnet18=6, densenet121=12, efficientnet_b0=-6))
    result = extractor_agreement(rows, STEM, ("resnet18", "densenet121", "efficientnet_b0"))
    assert [round(item.rho, 6) for item in result] == [1.0, -1.0, -1.0]
    line = next(line for line in settings_page.extractors(rows, Scoring()).splitlines() if line.startswith("| CCS"))
    assert [cell.strip() for cell in line.split("|")[2:6]] == ["-1.00 to 1.00", "1.00", "1.00", "0.00"]


def test_two_protocols_that_swap_two_neighbours() -> None:
    rows = [scored(name, resnet18=path) for path, name in enumerate(NAMES)]
    swapped = [1, 0, 2, 3, 4, 5]
    rows += [scored(name, "as released", resnet18=swapped[path]) for path, name in enumerate(NAMES)]
    measure = score(f"{STEM}.resnet18")
    (result,) = rank_differences(rows, measure, measure, ("as released", USUAL))
    assert (result.task, result.n, result.largest) == ("object/star", 6, 1.0) and result.mean == pytest.approx(2 / 6)
    assert result.rho == pytest.approx(1 - 6 * 2 / (6 * 35))
    assert "| CCS, released protocol" in settings_page.released_protocol(rows, Scoring())


def test_a_page_without_rows_reports_it() -> None:
    assert all("Not measured yet" in part([row("m")], Scoring()) for part in settings_page.SECTIONS)
