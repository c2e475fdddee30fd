"""Agreement of simulated raters of known error, beside independent computations."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from leaderboard.records import PSI
from ratings.simulated import N_PROMPTS, image_item, rated, rated_record, simulated_rater, truth
from unconceal.metrics.statistics import wilson
from unconceal.ratings.agreement import RaterAgreement, agreements, image_value, krippendorff_alpha, majorities, ratings_needed
from unconceal.ratings.agreement_page import NONE_YET, SIMULATED, agreement_page
from unconceal.ratings.rating_file import HumanRating, HumanRatingFile, RatingItem
from unconceal.specs.record import Record

TRUTH = truth()


def every_item(entry: Record) -> tuple[list[RatingItem], list[bool]]:
    places = [(prompt, column) for prompt in range(N_PROMPTS) for column in range(len(PSI))]
    items = [image_item(entry, prompt, PSI[column]) for prompt, column in places]
    return items, [bool(TRUTH[prompt, column]) for prompt, column in places]


def raters(entry: Record, n: int, error: float) -> list[HumanRatingFile]:
    items, present = every_item(entry)
    return [simulated_rater(number, items, present, error) for number in range(n)]


def alpha_by_hand(files: list[HumanRatingFile]) -> float:
    """α as 1 − (observed disagreement) / (expected disagreement) over ordered pairs of answers, from its definition."""
    units: dict[str, list[str]] = {}
    for file in files:
        for rating in file.ratings:
            if rating.answer != "unsure":
                units.setdefault(rating.item.id, []).append(rating.answer)
    units = {item: answers for item, answers in units.items() if len(answers) > 1}
    totals = Counter(answer for answers in units.values() for answer in answers)
    n = sum(totals.values())
    observed = sum(sum(a != b for a in answers for b in answers) / (len(answers) - 1) for answers in units.values()) / n
    expected = sum(totals[a] * totals[b] for a in totals for b in totals if a != b) / (n * (n - 1))
    return 1 - observed / expected


def with_gaps(files: list[HumanRatingFile]) -> list[HumanRatingFile]:
    """Some answers missing, some unsure."""
    thinned = []
    for number, file in enumerate(files):
        kept = [rating for index, rating in enumerate(file.ratings) if (index + number) % 5]
        unsure = [HumanRating(item=r.item, answer="unsure") if index % 11 == number else r for index, r in enumerate(kept)]
        thinned.append(file.model_copy(update={"ratings": tuple(unsure)}))
    return thinned


@pytest.mark.parametrize("error", [0.0, 0.1, 0.3])
def test_alpha_is_that_of_its_definition(error: float) -> None:
    files = with_gaps(raters(rated_record("esd-x", TRUTH), 4, error))
    alpha = krippendorff_alpha(files, pairs=False)
    assert alpha.value == pytest.approx(alpha_by_hand(files), abs=1e-12)
    assert alpha.value is not None and alpha.low is not None and alpha.high is not None
    assert alpha.low <= alpha.value <= alpha.high
    assert alpha.n_unsure == sum(rating.answer == "unsure" for file in files for rating in file.ratings) > 0


def test_alpha_of_a_known_error_is_near_its_expectation() -> None:
    """Two raters who err independently at e agree at (1 − e)² + e²; with both answers equally frequent, α = 1 − 4 e (1 − e)."""
    entry, error = rated_record("esd-x", TRUTH), 0.2
    share = float(TRUTH.mean())
    said = share * (1 - error) + (1 - share) * error
    expected = 1 - 2 * error * (1 - error) / (2 * said * (1 - said))
    alpha = krippendorff_alpha(raters(entry, 6, error), pairs=False)
    assert alpha.value == pytest.approx(expected, abs=0.06)


def test_alpha_is_undefined_for_one_rater_or_one_answer() -> None:
    entry = rated_record("esd-x", TRUTH)
    assert krippendorff_alpha(raters(entry, 1, 0.1), pairs=False).value is None
    items = [image_item(entry, prompt, 1.0) for prompt in range(5)]
    same = [simulated_rater(number, items, [True] * 5, 0) for number in range(2)]
    assert krippendorff_alpha(same, pairs=False).value is None


def find(rows: list[RaterAgreement], measure: str, group: str, statistic: str) -> RaterAgreement:
    return next(row for row in rows if (row.measure, row.group, row.statistic) == (measure, group, statistic))


def test_agreement_of_the_judge_is_counted_against_the_majority() -> None:
    """Raters without error; a judge that is wrong on every seventh image."""
    wrong = (np.arange(TRUTH.size).reshape(TRUTH.shape) % 7) == 0
    entry = rated_record("esd-x", np.where(wrong, 1 - TRUTH, TRUTH))
    rows = agreements(majorities(raters(entry, 3, 0)), {entry.measured_digest: entry}, 0.05)
    overall = find(rows, "judge", "all", "agreement")
    assert overall.value == pytest.approx(1 - wrong.mean()) and overall.n == TRUTH.size
    assert overall.low < overall.value < overall.high
    for column, psi in enumerate(PSI):
        assert find(rows, "judge", f"ψ = {psi:g}", "agreement").value == pytest.approx(1 - wrong[:, column].mean())
    assert find(rows, "judge", "esd-x", "agreement").value == overall.value


def test_the_auc_of_scores_is_the_share_of_ordered_pairs() -> None:
    crs = np.random.default_rng(3).normal(size=TRUTH.shape) + TRUTH
    entry = rated_record("esd-x", TRUTH, crs)
    rows = agreements(majorities(raters(entry, 3, 0)), {entry.measured_digest: entry}, 0.05)
    present, absent = crs[TRUTH == 1], crs[TRUTH == 0]
    expected = np.mean([[a > b for b in absent] for a in present])
    for measure in ("crs.signed", "ccs"):
        row = find(rows, measure, "all", "AUC")
        assert row.value == pytest.approx(expected) and row.low < expected < row.high


def test_pairs_compare_the_values_of_two_records() -> None:
    method, gold = rated_record("esd-x", TRUTH), rated_record("control-gold-1", np.zeros_like(TRUTH), 0.5 * np.ones_like(TRUTH))
    items = [RatingItem(images=(rated(method, p, psi), rated(gold, p, psi))) for p in range(N_PROMPTS) for psi in PSI]
    answers = ["first" if image_value({method.measured_digest: method}, item.images[0], "presence") else "same" for item in items]
    ratings = tuple(HumanRating.model_validate({"item": item, "answer": answer}) for item, answer in zip(items, answers, strict=True))
    files = [HumanRatingFile(rater=f"r-{number:016x}", simulated=True, ratings=ratings) for number in range(2)]
    rows = agreements(majorities(files), {r.measured_digest: r for r in (method, gold)}, 0.05)
    assert find(rows, "judge", "all", "pairs").value == 1 and find(rows, "judge", "all", "pairs").n == int(TRUTH.sum())
    assert find(rows, "crs.signed", "all", "pairs").value == 1
    assert krippendorff_alpha(files, pairs=True).value == 1


def test_items_without_a_strict_majority_are_left_out() -> None:
    entry = rated_record("esd-x", TRUTH)
    items = [image_item(entry, 0, psi) for psi in PSI]
    split = [simulated_rater(0, items, [True] * len(items), 0), simulated_rater(1, items, [False] * len(items), 0)]
    assert majorities(split) == []
    assert len(majorities([*split, simulated_rater(2, items, [True] * len(items), 0)])) == len(items)


def test_the_number_of_ratings_needed_reaches_the_half_width() -> None:
    rates = np.array([1.0, 0.0, 1.0, 1.0] * 5)
    needed = ratings_needed(rates, 20, 0.05)
    assert needed is not None
    # Single images of independent prompts: about the size at which Wilson's interval has this width.
    low, high = wilson(0.75 * needed, needed)
    assert (high - low) / 2 == pytest.approx(0.05, abs=0.002)
    assert ratings_needed(rates[:1], 1, 0.05) is None


def test_the_page_says_whose_ratings_they_are() -> None:
    entry = rated_record("esd-x", TRUTH)
    assert NONE_YET in agreement_page([], {})
    page = agreement_page(raters(entry, 2, 0.1), {entry.measured_digest: entry})
    assert SIMULATED in page and NONE_YET not in page and "esd-x" in page
