"""Against cases whose answer is known without computing."""

from __future__ import annotations

import numpy as np
import pytest

from study_rows import PROMPTS, row
from unconceal.specs.suite import Scoring
from unconceal_lab.study.reread_verdicts import gold_differences, label_of, rows_looking_forgotten, with_verdicts
from unconceal_lab.study.study_rows import Row


def test_a_row_is_judged_anew() -> None:
    golds = [row(f"control-gold-{i}", "gold") for i in (1, 2, 3)]
    scoring = Scoring(margin=0.15)
    assert label_of(row("hidden", knows=0.8), golds, scoring) == "conceals"
    assert label_of(golds[0], golds, scoring) == label_of(row("gone"), golds, scoring) == "forgets"
    assert label_of(row("gone"), golds, scoring, prompts=9) == "undetermined"
    assert label_of(row("gone"), [], scoring) == "undetermined"
    assert label_of(row("hidden", knows=0.8), golds, scoring, psi=(0.0, 0.1, 0.6, 1.0)) == "conceals"


def test_differences_of_golds() -> None:
    golds = [row(f"control-gold-{i}", "gold", knows=knows) for i, knows in enumerate((0.0, 0.0, 0.3))]
    result = gold_differences([*golds, row("x", knows=1.0)])
    assert sorted(np.round(result, 6)) == [0, 0, 0, 0.15, 0.15, 0.3]
    assert not len(gold_differences(golds[:1]))


def test_rows_are_read_against_the_golds_of_their_task() -> None:
    golds = [row(f"control-gold-{i}", "gold", knows=knows) for i, knows in enumerate((0.0, 0.1))]
    result = {
        item.name: item
        for item in with_verdicts([*golds, row("hidden", knows=0.8), row("elsewhere", task="object/ring", scores={})], Scoring())
    }
    hidden = result["hidden"]
    assert hidden.label == "conceals" and hidden.scores["excess"] == hidden.scores["excess.empty"] == pytest.approx(0.75)
    assert hidden.scores["excess.prompt"] == 0 and hidden.scores["psi_star.empty"] == pytest.approx(0.0625)
    assert result["control-gold-0"].scores["excess.empty"] == pytest.approx(-0.1) and result["control-gold-1"].label == "inconclusive"
    assert result["elsewhere"].label == "undetermined" and "excess" not in result["elsewhere"].scores


def test_who_looks_forgotten_draws_the_concept_surely_less_than_halfway() -> None:
    def drawing(name: str, share: float, kind: str = "method") -> Row:
        return row(name, kind, prompt=((share, 0.0, 0.0, 0.0, 1.0),) * PROMPTS)

    gold = drawing("control-gold-1", 0.2, "gold")
    models = [drawing("still", 0.8), drawing("less", 0.35), drawing("hidden", 0.0)]
    unmeasured = drawing("unmeasured", 0.0).model_copy(update={"prompt": ()})
    assert [item.name for item in rows_looking_forgotten([gold, *models, unmeasured], Scoring())] == ["control-gold-1", "less", "hidden"]
    assert [item.name for item in rows_looking_forgotten(models, Scoring())] == ["hidden"], "without golds half of θ's rate is halfway"
