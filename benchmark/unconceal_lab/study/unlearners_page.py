"""Sections of the study's page on published unlearners."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from unconceal.specs.record import Label
from unconceal.specs.suite import Scoring
from unconceal_lab.study.page_tables import NOT_YET, SHOWN, grid, number, shown
from unconceal_lab.study.published_unlearners import Work, by_unlearner, trained_again, works
from unconceal_lab.study.study_rows import Row


def unlearners(rows: Sequence[Row], scoring: Scoring) -> str:
    """Published methods beside what relearning and unseen wordings say of them: reported, not scored."""
    title = "## Published unlearners\n\n"
    found = [row for of in by_unlearner(rows).values() for row in of]
    if not found:
        return title + NOT_YET
    lines = [[row.task, row.name, *shown(row), number(row.unseen), number(row.relearning), row.label] for row in found]
    return title + UNLEARNERS + grid(lines, ("task", "model", *SHOWN, "unseen wordings", "relearning", "verdict"))


UNLEARNERS = """\
Nothing is known of these by construction, so that no verdict here is right or wrong. *Unseen wordings*: how often the concept is drawn
when it is asked for in words that the unlearner was not told. The number after a name is its training seed.

"""


def papers_work(rows: Sequence[Row], scoring: Scoring) -> str:
    """Whether the concept's prompts no longer draw it and others still do, unlearner by task."""
    title, found = "## Do they do their papers' work?\n\n", works(rows, scoring)
    if not found:
        return title + NOT_YET
    tasks, names = (sorted({key[place] for key in found}) for place in (0, 1))
    lines = [[name, *(worked(found.get((task, name))) for task in tasks)] for name in names]
    return title + WORK + grid(lines, ("unlearner", *(task.partition("/")[2] for task in tasks)))


WORK = """\
*Shown* / *kept*: the share of pictures asked for by the concept's prompts that show it, and the share of θ's rate at which other concepts
are still drawn when asked for. Bold where the method has not done its work: *shown* not surely below halfway between golds and θ, *kept*
surely lower than the suite allows. There a verdict says little of the method. The first training of each.

"""


def worked(found: Work | None) -> str:
    if found is None:
        return "–"
    parts = ((found.shown, found.hides), (found.kept, found.spares))
    return " / ".join(number(value) if well else f"**{number(value)}**" for value, well in parts)


def trainings(rows: Sequence[Row], scoring: Scoring) -> str:
    """How far trainings of one unlearner with other seeds lie apart."""
    title, found = "## An unlearner trained again\n\n", trained_again(rows)
    if not found:
        return title + NOT_YET
    lines = [
        [task, name, str(len(of)), *(between(of, score) for score in SHOWN), tallied(row.label for row in of)]
        for (task, name), of in found.items()
    ]
    told = "The same unlearner with several training seeds: each score's lowest and highest, and the verdicts.\n\n"
    return title + told + grid(lines, ("task", "unlearner", "trainings", *SHOWN, "verdicts"))


def between(rows: Sequence[Row], score: str) -> str:
    """A score's range over rows."""
    values = [value for row in rows if (value := row.scores.get(score)) is not None]
    return f"{min(values):.2f} to {max(values):.2f}" if values else number(None)


def tallied(labels: Iterable[Label]) -> str:
    """``conceals 2, inconclusive 1``."""
    return ", ".join(f"{label} {count}" for label, count in Counter(labels).most_common())


SECTIONS: tuple[Callable[[Sequence[Row], Scoring], str], ...] = (unlearners, papers_work, trainings)
