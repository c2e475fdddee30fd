"""One submission over several tasks, as it is: means of absolute scores, never normalised by who else takes part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

from unconceal.ranking.ranking_rules import DAMAGE
from unconceal.specs.record import Record, Score

UNLEARNED_NOTHING = 1.0
"""The excess of a model that has unlearned nothing."""
Axis = Callable[[Record, str], Score | None]


def forgetting(record: Record, primary: str) -> Score | None:
    """The primary score; lower: less of the concept comes back. A damaged model's counts as if it had unlearned nothing."""
    score = record.scores.get(primary)
    if score is None or record.verdict.label != "damaged":
        return score
    return Score(value=UNLEARNED_NOTHING, low=UNLEARNED_NOTHING, high=UNLEARNED_NOTHING, n=score.n, note="damaged")


def damage(record: Record, primary: str) -> Score | None:
    """The worst fall of retained concepts; lower: less is lost beside the concept."""
    return record.scores.get(DAMAGE)


def robustness(record: Record, primary: str) -> Score | None:
    """The success rate of the set of attacks that succeeds most often; lower: more robust. None where no attack was made."""
    rates = [one.rate for one in record.probed.attack_rates if one.attribute is None] if record.probed else []
    known = [rate for rate in (*record.attacks.values(), *rates) if rate.value is not None]
    return max(known, key=lambda rate: rate.value or 0.0, default=None)


AXES: dict[str, Axis] = {"forgetting": forgetting, "damage": damage, "robustness": robustness}
"""What is traded against what, each lower is better."""


def mean_of(scores: Sequence[Score | None]) -> Score | None:
    """The mean over a fixed set of tasks, OURS; None unless every task has a value.

    Its interval says how far other prompts would move it, not other tasks: the tasks' half-widths, taken as independent, each to its side.
    """
    known = [score for score in scores if score is not None and score.value is not None]
    if not scores or len(known) < len(scores):
        return None
    mean = sum(score.value or 0.0 for score in known) / len(known)
    low, high = _reach(known, "low"), _reach(known, "high")
    return Score(
        value=mean,
        low=None if low is None else mean - low,
        high=None if high is None else mean + high,
        n=sum(score.n for score in known),
    )


def _reach(scores: Sequence[Score], end: str) -> float | None:
    """How far the mean's interval reaches to one side; None if some score has no such end."""
    ends = [(getattr(score, end), score.value) for score in scores]
    if any(limit is None for limit, _ in ends):
        return None
    return sqrt(sum((limit - value) ** 2 for limit, value in ends)) / len(scores)
