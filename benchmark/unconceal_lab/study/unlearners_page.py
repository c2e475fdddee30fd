"""Sections of the validation page on published unlearners."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from unconceal.specs.record import Label
from unconceal.specs.suite import Scoring
from unconceal_lab.study.page_tables import MODEL_SCORES, NOT_YET, grid, model_scores, number
from unconceal_lab.study.published_unlearners import Effectiveness, by_unlearner, effectiveness, retrained_unlearners
from unconceal_lab.study.study_rows import Row


def unlearners(rows: Sequence[Row], scoring: Scoring) -> str:
    """Scores of published methods beside relearning and unseen wordings."""
    title = "## Published unlearners\n\n"
    trainings = [row for group in by_unlearner(rows).values() for row in group]
    if not trainings:
        return title + NOT_YET
    lines = [[row.task, row.name, *model_scores(row), number(row.unseen), number(row.relearning), row.label] for row in trainings]
    return title + UNLEARNERS + grid(lines, ("task", "model", *MODEL_SCORES, "unseen wordings", "relearning", "verdict"))


UNLEARNERS = """\
The truth of these models is unknown, so no verdict is right or wrong. *Unseen wordings*: share of images that show the concept for prompts
in words that the unlearner was not given. The number after a name is its training seed.

"""


def effectiveness_section(rows: Sequence[Row], scoring: Scoring) -> str:
    """Whether the concept's prompts no longer show it and retain prompts still show theirs, by unlearner and task."""
    title, results = "## Do they do what their papers claim?\n\n", effectiveness(rows, scoring)
    if not results:
        return title + NOT_YET
    tasks, names = (sorted({key[index] for key in results}) for index in (0, 1))
    lines = [[name, *(effectiveness_cell(results.get((task, name))) for task in tasks)] for name in names]
    return title + EFFECTIVENESS + grid(lines, ("unlearner", *(task.partition("/")[2] for task in tasks)))


EFFECTIVENESS = """\
*Presence* / *retained*: share of images of the concept's prompts that show it, and share of θ's rate at which retain prompts still show
their concepts. Bold: the claim is not met, because presence is not significantly below halfway between golds and θ, or the retain rate
drops significantly more than the suite allows. There, a verdict says little about the method. First training of each.

"""


def effectiveness_cell(result: Effectiveness | None) -> str:
    if result is None:
        return "–"
    parts = ((result.presence, result.forgets), (result.retained, result.retains))
    return " / ".join(number(value) if met else f"**{number(value)}**" for value, met in parts)


def training_seeds(rows: Sequence[Row], scoring: Scoring) -> str:
    """Range of scores over training seeds of one unlearner."""
    title, retrained = "## Training seeds of unlearners\n\n", retrained_unlearners(rows)
    if not retrained:
        return title + NOT_YET
    lines = [
        [
            task,
            name,
            str(len(trainings)),
            *(score_range(trainings, score) for score in MODEL_SCORES),
            label_counts(r.label for r in trainings),
        ]
        for (task, name), trainings in retrained.items()
    ]
    intro = "The same unlearner with several training seeds: lowest and highest value of each score, and the verdicts.\n\n"
    return title + intro + grid(lines, ("task", "unlearner", "trainings", *MODEL_SCORES, "verdicts"))


def score_range(rows: Sequence[Row], score: str) -> str:
    """``0.10 to 0.20``."""
    values = [value for row in rows if (value := row.scores.get(score)) is not None]
    return f"{min(values):.2f} to {max(values):.2f}" if values else number(None)


def label_counts(labels: Iterable[Label]) -> str:
    """``conceals 2, inconclusive 1``."""
    return ", ".join(f"{label} {count}" for label, count in Counter(labels).most_common())


SECTIONS: tuple[Callable[[Sequence[Row], Scoring], str], ...] = (unlearners, effectiveness_section, training_seeds)
