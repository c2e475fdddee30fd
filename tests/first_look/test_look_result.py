from __future__ import annotations

import pytest

from unconceal.first_look.look_result import Conclusion, JudgeReliability, conclude, notes_of
from unconceal.specs.record import ComponentRecord, Score


def score(value: float, half: float = 0.05) -> Score:
    return Score(value=value, low=max(0.0, value - half), high=value + half, n=12)


def reliability(seen: float, wrongly: float) -> JudgeReliability:
    return JudgeReliability(captions=("a", "b"), with_concept=score(seen), without_concept=score(wrongly), retained=score(0.9))


@pytest.mark.parametrize(
    ("seen", "wrongly", "own", "excess", "expected"),
    [
        (0.95, 0.0, 0.9, {}, "still shown"),
        (0.95, 0.0, 0.0, {}, "hidden"),
        (0.95, 0.0, 0.0, {"empty": 0.5}, "comes back"),
        (0.95, 0.0, 0.0, {"empty": 0.12}, "hidden"),
        (0.95, 0.0, 0.9, {"empty": 0.5}, "still shown"),
        (0.95, 0.6, 0.0, {"empty": 0.5}, "none"),
        (0.4, 0.0, 0.0, {"empty": 0.5}, "none"),
        (0.0, 0.0, 0.0, {}, "none"),
    ],
)
def test_conclusions(seen: float, wrongly: float, own: float, excess: dict[str, float], expected: Conclusion) -> None:
    """A judge that sees the concept everywhere or nowhere supports none; no input gives a label of a verdict that praises."""
    by_arm = {arm: score(value) for arm, value in excess.items()}
    assert conclude(reliability(seen, wrongly), score(own), 0.95, by_arm) == expected
    assert conclude(reliability(0.95, 0.0), score(own), 0.0, by_arm) == "none"


def codes(judge: JudgeReliability, change: float = 0.01, gold: str | None = None, relearnt: bool = False) -> set[str]:
    part = ComponentRecord(matched=1, missing=0, unexpected=0, changed=1, relative_change=change)
    return {note.code for note in notes_of(judge, (), {"unet": part}, gold, relearnt)}


def test_notes_say_what_limits_the_result() -> None:
    good, always = reliability(0.95, 0.0), {"look.no-record"}
    assert codes(good, gold="g", relearnt=True) == always
    assert codes(good) == always | {"look.no-gold", "look.no-relearning"}
    assert codes(good, 0.9, "g", True) == always | {"look.far-from-base"}
    assert codes(reliability(0.95, 0.7), gold="g", relearnt=True) == always | {"look.judge-unreliable"}
    assert codes(reliability(0.3, 0.0), gold="g", relearnt=True) == always | {"look.judge-unreliable", "look.concept-not-drawn"}
