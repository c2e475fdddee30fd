"""Which models make the ordering truth, of a made-up graded series."""

from __future__ import annotations

from study_rows import row
from unconceal.specs.suite import Scoring
from unconceal_lab.study import graded_series, key_findings, validation_page
from unconceal_lab.study.study_rows import Row

SHARES = (0.001, 0.01, 0.1)


def rows(task: str = "object/star", sign: int = 1) -> list[Row]:
    """A series in which what is completed grows with the share seen (``sign``), and nothing shows when asked."""

    def series_row(name: str, kind: str, share: float, presence: float = 0.0) -> Row:
        left = sign * share**0.25
        scores = {"excess": left, "excess.empty": left, "excess.prompt": -left, "presence": presence}
        return row(name, kind, task, share=share, scores=scores)

    graded = [series_row(f"graded-{share}", "graded", share, 1.0) for share in SHARES]
    above = [series_row(f"graded-{share}-decoupled", "graded", share) for share in reversed((0, *SHARES))]
    pure = [series_row(f"decouple-to-{what}-{seed}", "decoupled", 1.0) for what in ("other", "nothing") for seed in (8, 7)]
    return [
        series_row("control-original", "original", 1.0, 1.0),
        *pure,
        *above,
        *graded,
        *(series_row(f"control-gold-{i}", "gold", 0.0) for i in range(3)),
    ]


def test_the_series_runs_by_share_and_ends_with_one_pure_decoupling() -> None:
    names = [item.name for item in graded_series.decoupled_series(rows())]
    assert names == ["graded-0-decoupled", *(f"graded-{share}-decoupled" for share in SHARES), "decouple-to-nothing-7"]
    assert [item.name for item in graded_series.plain_series(rows())] == [*(f"graded-{share}" for share in SHARES), "control-original"]


def test_a_task_without_graded_models_is_no_part_of_it() -> None:
    ungraded = [item for item in rows("object/ring") if item.kind != "graded"]
    assert not graded_series.graded_tasks(ungraded) and len(graded_series.rows_with_shares([*rows(), *ungraded])) == len(rows())
    assert {item.task for item in graded_series.series_and_golds([*rows(), *ungraded])} == {"object/star"}


def test_what_ranks_by_what_was_seen_is_said() -> None:
    (ranks,) = key_findings.series(rows(), Scoring())
    assert ranks.code == "series.ranks" and "8 models on 1 tasks" in ranks.text and "at most 0.00" in ranks.text
    assert "excess, empty arm: 1.00" in ranks.text and "excess, prompt arm: -1.00" in ranks.text and "0: " not in ranks.text
    labels = {item.name: "conceals" if (item.share or 0) > 0.005 else "forgets" for item in rows()}
    labelled = [item.model_copy(update={"label": labels[item.name], "relearning": 1.0 - (item.share or 0)}) for item in rows()]
    _, verdicts = key_findings.series(labelled, Scoring())
    assert verdicts.code == "series.verdicts"
    assert "0.1%" in verdicts.text and "(relearning 1.00 to 1.00, n = 2)" in verdicts.text
    assert "1.0%" in verdicts.text and "(relearning 0.00 to 0.99, n = 3)" in verdicts.text
    name = f"graded-{SHARES[1]}-decoupled"
    (middle,) = (item for item in labelled if item.name == name)
    opened = [*(item for item in labelled if item is not middle), middle.model_copy(update={"label": "inconclusive"})]
    undecided = list(key_findings.series(opened, Scoring()))[2]
    assert undecided.code == "series.undecided" and f"*{name}* on object/star (relearning {middle.relearning:.2f})" in undecided.text
    (ranks,) = key_findings.series(rows(sign=-1), Scoring())
    assert "excess, empty arm: -1.00" in ranks.text
    assert not list(key_findings.series([item for item in rows() if item.kind != "graded"], Scoring()))


def test_the_table_shows_the_hidden_series_first() -> None:
    text = validation_page.graded_series(rows(), Scoring()).splitlines()
    names = [line.split("|")[2].strip() for line in text if line.startswith("| object/star")]
    assert names[0] == "graded-0-decoupled" and names[5:] == [*(f"graded-{share}" for share in SHARES), "control-original"]
