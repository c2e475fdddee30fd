"""Agreement among raters, and of the concept judge, CRS and CCS with their majority. Pure functions of ratings and records."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import krippendorff
import numpy as np

from unconceal.metrics.statistics import FloatArray, Interval, auc, auc_interval, expected_rate_interval, prompts_needed, rate_interval
from unconceal.ratings.rating_file import IMAGE_ANSWERS, PAIR_ANSWERS, HumanRatingFile, RatedImage, RatingItem
from unconceal.specs.record import Record

UNSURE = "unsure"
N_RESAMPLES = 500
Records = Mapping[str, Record]
"""Records by measured digest."""


class Alpha(NamedTuple):
    """Krippendorff's α with its interval. None: fewer than two raters share items, or all answers are equal."""

    value: float | None
    low: float | None
    high: float | None
    n_items: int
    n_ratings: int
    n_unsure: int


def krippendorff_alpha(files: Sequence[HumanRatingFile], pairs: bool, seed: int = 0) -> Alpha:
    """Nominal α of single images or of pairs; "unsure" counts as no answer.

    Interval: 95 % percentiles over resampled items (Hayes & Krippendorff, Communication Methods and Measures 1, 2007, 77).

    Args:
        files: one per rater.
        pairs: pairs instead of single images.
        seed: of the resamples.
    """
    answers = [answer for answer in (PAIR_ANSWERS if pairs else IMAGE_ANSWERS) if answer != UNSURE]
    chosen = [{r.item.id: str(r.answer) for r in file.ratings if r.item.is_pair == pairs} for file in files]
    items = sorted({item for by_item in chosen for item in by_item})
    every = [answer for by_item in chosen for answer in by_item.values()]
    counts = np.array([[sum(by_item.get(item) == answer for by_item in chosen) for answer in answers] for item in items]).reshape(
        len(items), len(answers)
    )
    value = nominal_alpha(counts)
    rng = np.random.default_rng(seed)
    resamples = [nominal_alpha(counts[rng.integers(len(items), size=len(items))]) for _ in range(N_RESAMPLES)] if value is not None else []
    defined = [resample for resample in resamples if resample is not None]
    low, high = map(float, np.quantile(defined, [0.025, 0.975])) if defined else (None, None)
    return Alpha(value, low, high, len(items), len(every), every.count(UNSURE))


def nominal_alpha(counts: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> float | None:
    """α of counts (items, answers); None where it is undefined."""
    counts = counts[counts.sum(axis=1) > 1] if counts.size else counts
    if len(counts) == 0 or np.count_nonzero(counts.sum(axis=0)) < 2:
        return None
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


class MajorityItem(NamedTuple):
    """An item and what most raters answered."""

    item: RatingItem
    answer: str

    @property
    def shows(self) -> bool:
        return self.answer == "present"


def majorities(files: Iterable[HumanRatingFile]) -> list[MajorityItem]:
    """Items with a strict majority among the answers other than "unsure"."""
    items: dict[str, RatingItem] = {}
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for file in files:
        for rating in file.ratings:
            items[rating.item.id] = rating.item
            if rating.answer != UNSURE:
                votes[rating.item.id][str(rating.answer)] += 1
    decided = []
    for item, counted in sorted(votes.items()):
        (answer, most), total = counted.most_common(1)[0], sum(counted.values())
        if 2 * most > total:
            decided.append(MajorityItem(items[item], answer))
    return decided


def image_value(records: Records, image: RatedImage, name: str) -> float | None:
    """The value of one image in its record: the judge's 0 or 1 (``presence``), or the mean over extractors of a score."""
    record = records.get(image.measured)
    curves = [] if record is None else [c for c in record.curves if (c.name, c.split) == (name, "forget") and c.arm == image.arm]
    values = [
        curve.per_prompt[image.prompt][curve.psi.index(image.psi)] for curve in curves if has_value(curve.psi, curve.per_prompt, image)
    ]
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def has_value(psi: Sequence[float], per_prompt: Sequence[object], image: RatedImage) -> bool:
    """Whether a curve covers an image."""
    return image.psi in psi and image.prompt < len(per_prompt)


class RaterAgreement(NamedTuple):
    """How often a measure agrees with the majority, or how well it orders images.

    Attributes:
        measure: ``judge``, ``crs.signed`` or ``ccs``.
        statistic: ``agreement``: the share of items on which both say the same; ``AUC``: the chance that an image that most raters call
            present scores above one that they call absent.
        group: ``all``, a ψ or a submission.
        n: items.
        needed: ratings for the wanted half-width, by one rater an item; None where it cannot be told.
    """

    measure: str
    statistic: str
    group: str
    value: float
    low: float
    high: float
    n: int
    needed: int | None


Grouping = Callable[[RatedImage], str]
GROUPINGS: dict[str, Grouping] = {
    "all": lambda image: "all",
    "ψ": lambda image: f"ψ = {image.psi:g}",
    "submission": lambda image: image.submission,
}


def agreements(items: Sequence[MajorityItem], records: Records, half_width: float) -> list[RaterAgreement]:
    """Every agreement, over all items, per ψ and per submission.

    Args:
        items: from :func:`majorities`.
        records: records by measured digest; items of other records are left out.
        half_width: wanted half-width of a 95 % interval, for the number of ratings needed.
    """
    rows: list[RaterAgreement] = []
    singles = [entry for entry in items if not entry.item.is_pair]
    pairs = [entry for entry in items if entry.item.is_pair]
    for grouping in GROUPINGS.values():
        for measure in ("presence", "crs.signed", "ccs"):
            for group, members in grouped(singles, grouping):
                values = [(entry, image_value(records, entry.item.images[0], measure)) for entry in members]
                known = [(entry, value) for entry, value in values if value is not None]
                rows += judge_agreement(group, known, half_width) if measure == "presence" else score_auc(measure, group, known, half_width)
            for group, members in grouped(pairs, grouping):
                rows += pair_agreement(measure, group, members, records, half_width)
    return rows


def grouped(items: Iterable[MajorityItem], grouping: Grouping) -> list[tuple[str, list[MajorityItem]]]:
    """Items by group, in the order of their names."""
    groups: dict[str, list[MajorityItem]] = defaultdict(list)
    for entry in items:
        groups[grouping(entry.item.images[0])].append(entry)
    return sorted(groups.items())


Known = list[tuple[MajorityItem, float]]


def judge_agreement(group: str, known: Known, half_width: float) -> list[RaterAgreement]:
    """How often the concept judge says what the majority says."""
    same = [(entry, float((value == 1) == entry.shows)) for entry, value in known]
    return rate_agreement("judge", "agreement", group, same, half_width)


def pair_agreement(measure: str, group: str, items: Iterable[MajorityItem], records: Records, half_width: float) -> list[RaterAgreement]:
    """How often the image with the higher value is the one in which the majority sees the concept more clearly.

    Pairs that the majority calls equal are left out, and for the judge those that it calls equal.
    """
    same = []
    for entry in items:
        first, second = (image_value(records, image, measure) for image in entry.item.images)
        if entry.answer != "same" and first is not None and second is not None and first != second:
            same.append((entry, float((first > second) == (entry.answer == "first"))))
    return rate_agreement("judge" if measure == "presence" else measure, "pairs", group, same, half_width)


def rate_agreement(measure: str, statistic: str, group: str, same: Known, half_width: float) -> list[RaterAgreement]:
    """The mean over prompts of the share of agreeing items, with its interval over prompts."""
    if not same:
        return []
    by_prompt: dict[tuple[str, int], list[float]] = defaultdict(list)
    for entry, value in same:
        first = entry.item.images[0]
        by_prompt[first.task, first.prompt].append(value)
    rates = np.array([np.mean(values) for values in by_prompt.values()])
    interval = rate_interval(rates, len(same))
    needed = ratings_needed(rates, len(same), half_width)
    return [RaterAgreement(measure, statistic, group, float(rates.mean()), interval.low, interval.high, len(same), needed)]


def ratings_needed(rates: FloatArray, n_items: int, half_width: float) -> int | None:
    """Items that one rater has to rate for an interval of this half-width, at the rate and spread observed.

    Prompts are the unit: the number grows by further prompts with as many items each as now. None with fewer than two prompts.
    """
    if len(rates) < 2:
        return None
    per_prompt = max(1, round(n_items / len(rates)))

    def suffices(n_prompts: int) -> bool:
        low, high = expected_rate_interval(rates, n_prompts, per_prompt)
        return high - low <= 2 * half_width

    n_prompts = len(rates) if suffices(len(rates)) else prompts_needed(suffices, len(rates))
    return None if n_prompts is None else n_prompts * per_prompt


def score_auc(measure: str, group: str, known: Known, half_width: float) -> list[RaterAgreement]:
    """The AUC of a score for the majority's answers. Its interval takes images as independent."""
    scores, labels = [value for _, value in known], [entry.shows for entry, _ in known]
    value = auc(scores, labels) if known else math.nan
    if math.isnan(value):
        return []
    low, high = interval = auc_interval(scores, labels)
    return [RaterAgreement(measure, "AUC", group, value, low, high, len(known), by_square_root(interval, len(known), half_width))]


def by_square_root(interval: Interval, n: int, half_width: float) -> int:
    """Items for a half-width if it shrinks with the square root of their number."""
    return max(n, math.ceil(n * ((interval.high - interval.low) / 2 / half_width) ** 2)) if interval.high > interval.low else n
