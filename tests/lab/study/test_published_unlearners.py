"""Published unlearners on made-up rows: whether each does its paper's work, and how far its trainings lie apart."""

from __future__ import annotations

import pytest

from study_rows import PROMPTS, row
from unconceal.specs.suite import Scoring
from unconceal_lab.study import key_findings, unlearners_page
from unconceal_lab.study.published_unlearners import effectiveness, retrained_unlearners
from unconceal_lab.study.seed_spread import training_seed_spread
from unconceal_lab.study.study_rows import Row


def test_each_method_is_listed_with_its_relearning_result() -> None:
    methods = [row("uce-7", knows=0.5, unseen=0.25), row("esd-x-7", task="art-style/striped")]
    text = unlearners_page.unlearners([row("control-gold-1", "gold"), *methods], Scoring()).splitlines()
    names = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text if line.startswith("| ")][1:]
    assert [(line[0], line[1]) for line in names] == [("art-style/striped", "esd-x-7"), ("object/star", "uce-7")]
    assert names[1][-3:] == ["0.25", "0.50", "inconclusive"]
    assert "Not measured yet" in unlearners_page.unlearners([row("control-gold-1", "gold")], Scoring())


def drawing(name: str, n_shown: int, retained: float = 1.0) -> Row:
    """A model that draws the concept for so many of the prompts, and others for some of theirs."""
    prompt = tuple((float(path < n_shown), 0.0, 0.0, 0.0, 1.0) for path in range(PROMPTS))
    return row(name, prompt=prompt, retain=((retained, 1.0),) * 12, retain_images=9)


def test_a_method_that_still_draws_the_concept_or_spoils_others_has_not_done_its_work() -> None:
    rows = [
        row("control-gold-1", "gold"),
        drawing("uce-7", 12),
        drawing("uce-8", 0),
        drawing("esd-x-7", 1),
        drawing("salun-7", 0, retained=0.5),
    ]
    result = {name: work for (_, name), work in effectiveness(rows, Scoring()).items()}
    assert {name: (work.forgets, work.retains) for name, work in result.items()} == {
        "uce": (False, True),
        "esd-x": (True, True),
        "salun": (True, False),
    }
    assert (result["uce"].presence, result["salun"].retained) == (0.5, 0.5)
    text = unlearners_page.effectiveness_section(rows, Scoring())
    assert "| **0.50** / 1.00" in text and "| 0.04 / 1.00" in text and "| 0.00 / **0.50**" in text
    findings = {finding.code: finding.text for finding in key_findings.unlearners(rows, Scoring())}
    assert "3 pairs" in findings["unlearner.effective"] and " 1 " in findings["unlearner.effective"]
    assert findings["unlearner.still-shown"].endswith(": uce (star).")
    assert findings["unlearner.retain-loss"].endswith(": salun (star).")
    assert not list(key_findings.unlearners(rows[:1], Scoring()))
    assert "Not measured yet" in unlearners_page.effectiveness_section(rows[:1], Scoring())


def test_trainings_of_an_unlearner_stand_together() -> None:
    seeds = (("7", 0.0, "forgets"), ("8", 0.1, "forgets"), ("9", -0.1, "conceals"))
    rows = [
        row(f"esd-{variant}-{seed}", scores={"excess": path + shift}, label=label if variant == "x" else "conceals")
        for path, variant in enumerate("xu")
        for seed, shift, label in seeds
    ]
    rows += [row("uce-7", scores={"excess": 9.0}), row("gold-8", "gold", scores={"excess": 9.0}), row("gold-9", "gold")]
    assert retrained_unlearners(rows).keys() == {("object/star", "esd-x"), ("object/star", "esd-u")}
    result = training_seed_spread(rows, "excess")
    assert result is not None and result.n == 2
    assert result.seeds == pytest.approx(0.1) and result.models == pytest.approx(0.5**0.5)
    text = unlearners_page.training_seeds(rows, Scoring())
    assert "| forgets 2, conceals 1" in text and "| conceals 3" in text
    findings = {finding.code: finding.text for finding in key_findings.training_seeds(rows, Scoring())}
    assert "1 of 2" in findings["seeds.spread"] and "0.10 over seeds and 0.71" in findings["seeds.spread"]
    assert findings["seeds.contradicting"].endswith("esd-x on object/star.")
    assert list(key_findings.training_seeds(rows[:3], Scoring())) == [], "one unlearner has no spread over unlearners"
    assert "Not measured yet" in unlearners_page.training_seeds(rows[:1], Scoring())
