"""Models made a second time, on made-up rows: which verdicts stay."""

from __future__ import annotations

from study_rows import row
from unconceal.specs.suite import Scoring
from unconceal_lab.study import settings_page, validation_page
from unconceal_lab.study.rebuild_check import rebuild_pairs, verdict_changes
from unconceal_lab.study.settings import REBUILT, USUAL
from unconceal_lab.study.study_rows import Row

SCORING = Scoring(margin=0.2)
GOLDS = [row(f"control-gold-{number}", "gold", knows=knows, weights="ab" * 32) for number, knows in enumerate((0.1, 0.12, 0.14), 1)]
OTHERS = [row("decouple-to-other-7", "decoupled", knows=0.9), row("esd-x-7", knows=0.5), row("surrogate", "surrogate", knows=0.9)]


def again(number: int, knows: float) -> Row:
    return row(f"control-gold-{number}", "gold", knows=knows, weights="cd" * 32, setting=REBUILT)


def as_read(*rows: Row) -> list[Row]:
    return [item for setting in (USUAL, REBUILT) for item in validation_page.rows_with_verdicts(setting, rows, SCORING)]


def test_a_second_making_is_read_against_the_first_golds_of_its_task() -> None:
    elsewhere = row("control-gold-1", "gold", task="object/crescent", setting=REBUILT)
    same = row("decouple-to-other-7", "decoupled", knows=0.9, setting=REBUILT)
    result = rebuild_pairs(as_read(*GOLDS, *OTHERS, again(1, 0.11), again(2, 0.9), same, elsewhere))
    assert [item.first.name for item in result] == ["control-gold-1", "control-gold-2", "decouple-to-other-7"]
    assert [item.first.label for item in result] == ["forgets", "forgets", "conceals"]
    assert [item.second.label for item in result] == ["forgets", "conceals", "conceals"]
    assert result[1].first.scores["excess"] != result[1].second.scores["excess"]


def test_verdicts_are_counted_that_golds_made_again_leave_open_or_turn() -> None:
    (still,) = verdict_changes(as_read(*GOLDS, *OTHERS, again(1, 0.11)), SCORING)
    assert still == ("object/star", 1, 5, 0, 0) and still.n == 5, "three golds and two models; the surrogate is none of them"
    for knows, opened, turned in ((0.3, 1, 0), (0.5, 0, 1)):
        (other,) = verdict_changes(as_read(*GOLDS, *OTHERS, *(again(number, knows) for number in (1, 2, 3))), SCORING)
        assert other == ("object/star", 3, 4, opened, turned), "esd-x completes 0.5: as much as golds made again, or hardly more"
    assert verdict_changes(as_read(*GOLDS, *OTHERS), SCORING) == []


def test_the_page_shows_both_makings_and_whether_their_bytes_agree() -> None:
    text = settings_page.rebuilt(as_read(*GOLDS, *OTHERS, again(1, 0.11)), SCORING)
    assert "| forgets → forgets" in text and "| other " in text and "| 1 " in text
    assert "| same  " in settings_page.rebuilt(as_read(*GOLDS, GOLDS[0].model_copy(update={"setting": REBUILT})), SCORING)
