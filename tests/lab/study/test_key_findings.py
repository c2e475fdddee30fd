"""Codes and numbers of the findings of synthetic studies whose outcome is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from study_rows import row
from unconceal.specs.suite import Scoring
from unconceal_lab.study import key_findings
from unconceal_lab.study.key_findings import Finding
from unconceal_lab.study.study_rows import Row

SCORING = Scoring(margin=0.15)


def texts(part: Callable[[Sequence[Row], Scoring], Iterator[Finding]], rows: Sequence[Row]) -> dict[str, str]:
    """Texts by code."""
    return {finding.code: finding.text for finding in part(rows, SCORING)}


def labelled_rows(task: str = "object/star", label: str = "conceals") -> list[Row]:
    """Golds that complete nothing, concealers that complete everything, θ."""
    golds = [row(f"control-gold-{i}", "gold", task, truth="forgets", label="forgets") for i in range(4)]
    concealers = [row(f"decouple-{i}", "decoupled", task, knows=1.0, truth="conceals", label=label) for i in range(4)]
    scored = [
        model.model_copy(update={"scores": {"excess.empty": float(model.kind == "decoupled"), "excess.prompt": 0.0}})
        for model in (*golds, *concealers)
    ]
    return [*scored, row("control-original", "original", task, scores={"excess.empty": 1.0, "excess.prompt": 1.0})]


def test_verdicts_are_counted() -> None:
    assert "8 verdicts are right, 0 wrong" in texts(key_findings.truths, labelled_rows())["truth.counts"]
    assert "4 verdicts are right, 4 wrong" in texts(key_findings.truths, labelled_rows(label="forgets"))["truth.counts"]
    assert not texts(key_findings.truths, [])


def test_findings_are_grouped_by_question() -> None:
    text = key_findings.key_findings(labelled_rows(), SCORING)
    assert text.count("**Are verdicts right?**") == 1
    assert "**Published unlearners**" not in text, "there are none"


def test_metrics_are_grouped_by_their_area() -> None:
    findings = texts(key_findings.concealment, labelled_rows())
    assert findings.keys() == {"separation.significant", "separation.chance"}
    assert "excess, empty arm (1.00)" in findings["separation.significant"] and "prompt" not in findings["separation.significant"]
    assert "excess, prompt arm (0.50, n = 8)" in findings["separation.chance"]


def test_a_metric_that_puts_golds_above_concealers_is_reported() -> None:
    reversed_rows = [model.model_copy(update={"scores": {"ccs.forget.resnet18": float(model.kind == "gold")}}) for model in labelled_rows()]
    assert "CCS (0.00, n = 8)" in texts(key_findings.concealment, reversed_rows)["separation.reversed"]


def test_better_metrics_and_the_target_are_reported() -> None:
    def ranked(sign: int) -> list[Row]:
        scores = [{"excess": sign * i / 10, "clip.unlearned": -i / 10, "ccs.forget.resnet18": i / 10} for i in range(12)]
        return [row(f"m{i}", task=task, knows=i / 10, scores=scores[i]) for task in ("object/star", "object/cross") for i in range(12)]

    findings = texts(key_findings.ranking, ranked(1))
    assert findings.keys() == {"rank.target-reached", "rank.better", "rank.not-better"}
    assert "CLIP score of θ* (-1.00 against 1.00)" in findings["rank.better"]
    assert "CCS (1.00 against 1.00)" in findings["rank.not-better"]
    assert "rank.target-missed" in texts(key_findings.ranking, ranked(-1)) and not texts(key_findings.ranking, [])


def test_models_that_still_show_the_concept_do_not_count_as_forgotten() -> None:
    hidden = [row(f"m{i}", knows=i / 10, scores={"excess": i / 10, "clip.unlearned": -i / 10}) for i in range(12)]
    visible = [row(f"open{i}", scores={"excess": 1.0}, prompt=((1.0,) * 5,) * 24, relearning=5.0) for i in range(6)]
    findings = texts(key_findings.ranking_forgotten, [*hidden, *visible])
    assert "1.00 [1.00, 1.00], n = 12" in findings["rank.forgotten"]
    assert "CLIP score of θ* (-1.00 against 1.00)" in findings["rank.better"]
    assert not texts(key_findings.ranking_forgotten, [])


def test_a_reversed_crs_is_reported_only_where_it_is_one() -> None:
    def rows(sign: int) -> list[Row]:
        return [row(f"m{i}", scores={"crs.released.forget.resnet18": sign * i / 10}, unseen=i / 10) for i in range(10)]

    assert "ρ = -1.00" in texts(key_findings.crs_sign, rows(-1))["rank.crs-reversed"]
    assert not texts(key_findings.crs_sign, rows(1))


def test_a_surrogate_is_compared_with_the_exact_golds() -> None:
    alike, other = (
        texts(key_findings.surrogates, [*labelled_rows(), row("blank", "surrogate", knows=rate)])["surrogate.agreement"]
        for rate in (0.0, 1.0)
    )
    assert "*blank*" in alike and "margin 0.15: 8 of 8" in alike
    assert "4 of 8" in other and "4 wrong" in other


def test_the_safe_margin_leaves_the_fewest_undecided() -> None:
    alike, other = (texts(key_findings.safe_margin, [*labelled_rows(), row("blank", "surrogate", knows=rate)]) for rate in (0.0, 1.0))
    assert alike.keys() == {"surrogate.safe-margin"} and "0.12" in alike["surrogate.safe-margin"]
    assert other.keys() == {"surrogate.no-safe-margin", "surrogate.wrong-by-margin"}
    assert "4 at 0.12" in other["surrogate.wrong-by-margin"]
    assert not texts(key_findings.safe_margin, labelled_rows())


def test_a_threshold_is_safe_only_if_it_is_right_everywhere() -> None:
    safe = texts(key_findings.threshold, [*labelled_rows(), *labelled_rows("object/ring")])
    assert safe.keys() == {"threshold.safe"} and "16 of 16" in safe["threshold.safe"]
    ring = [m.model_copy(update={"empty": tuple((0.0, 0.0, 0.0, 0.0, 1.0) for _ in m.empty)}) for m in labelled_rows("object/ring")]
    assert texts(key_findings.threshold, [*labelled_rows(), *ring]).keys() == {"threshold.unsafe"}


def test_lists_read_as_sentences() -> None:
    assert [key_findings.listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
