"""The sentences of made-up studies whose outcome is known."""

from __future__ import annotations

from collections.abc import Sequence

from study_rows import row
from unconceal.specs.suite import Scoring
from unconceal_lab.study import key_findings
from unconceal_lab.study.study_rows import Row

SCORING = Scoring(margin=0.15)


def said(part: str, rows: Sequence[Row]) -> str:
    return " ".join(finding.text for finding in getattr(key_findings, part)(rows, SCORING))


def known(task: str = "object/star", label: str = "conceals") -> list[Row]:
    """Golds that complete nothing, concealers that complete everything, θ."""
    golds = [row(f"control-gold-{i}", "gold", task, truth="forgets", label="forgets") for i in range(4)]
    concealers = [row(f"decouple-{i}", "decoupled", task, knows=1.0, truth="conceals", label=label) for i in range(4)]
    scored = [
        one.model_copy(update={"scores": {"excess.empty": float(one.kind == "decoupled"), "excess.prompt": 0.0}})
        for one in (*golds, *concealers)
    ]
    return [*scored, row("control-original", "original", task, scores={"excess.empty": 1.0, "excess.prompt": 1.0})]


def test_verdicts_are_counted() -> None:
    assert "Of 8 models whose truth is known by construction 8 are right, 0 wrong" in said("truths", known())
    assert "4 are right, 4 wrong" in said("truths", known(label="forgets")) and not said("truths", [])


def test_what_is_known_stands_under_the_question_that_it_answers() -> None:
    told = key_findings.key_findings(known(), SCORING)
    assert told.startswith("## In short\n\n**Are verdicts right?**\n\n- Of 8 models") and told.count("**Are verdicts right?**") == 1
    assert "**Published unlearners**" not in told, "nothing is known of any"


def test_metrics_that_tell_concealment_are_named_and_those_that_do_not() -> None:
    surely, chance = key_findings.concealment(known(), SCORING)
    assert "excess, empty arm (1.00)" in surely and "prompt" not in surely and "excess, prompt arm (0.50, n = 8)" in chance


def test_a_metric_that_puts_golds_above_concealers_is_said_to() -> None:
    turned = [one.model_copy(update={"scores": {"ccs.forget.resnet18": float(one.kind == "gold")}}) for one in known()]
    *_, told = key_findings.concealment(turned, SCORING)
    assert told == "The wrong way round, golds above concealers, by CCS (0.00, n = 8)."


def test_who_ranks_better_is_said_and_whether_the_aim_is_reached() -> None:
    def ranked(sign: int) -> list[Row]:
        scores = [{"excess": sign * i / 10, "clip.unlearned": -i / 10, "ccs.forget.resnet18": i / 10} for i in range(12)]
        return [row(f"m{i}", task=task, knows=i / 10, scores=scores[i]) for task in ("object/star", "object/cross") for i in range(12)]

    assert "0.8 is reached" in said("ranking", ranked(1)) and "0.8 is missed" in said("ranking", ranked(-1))
    better, alike = list(key_findings.ranking(ranked(1), SCORING))[1:]
    assert "CLIP score of θ* (-1.00 against 1.00)" in better and "CCS (1.00 against 1.00)" in alike
    assert not said("ranking", [])


def test_models_that_still_draw_the_concept_are_no_part_of_the_rank_beneath() -> None:
    hidden = [row(f"m{i}", knows=i / 10, scores={"excess": i / 10, "clip.unlearned": -i / 10}) for i in range(12)]
    drawn = [row(f"open{i}", scores={"excess": 1.0}, prompt=((1.0,) * 5,) * 24, relearning=5.0) for i in range(6)]
    told = said("ranking_forgotten", [*hidden, *drawn])
    assert "is 1.00 [1.00, 1.00], n = 12." in told and "surely better than CLIP score of θ* (-1.00 against 1.00)" in told
    assert not said("ranking_forgotten", [])


def test_a_sign_blind_score_is_named_only_where_it_is_one() -> None:
    def rows(sign: int) -> list[Row]:
        return [row(f"m{i}", scores={"crs.released.forget.resnet18": sign * i / 10}, unseen=i / 10) for i in range(10)]

    assert "the wrong way round: ρ = -1.00" in said("crs_sign", rows(-1)) and not said("crs_sign", rows(1))


def test_a_surrogate_is_held_against_the_exact_golds() -> None:
    alike, other = (said("surrogates", [*known(), row("blank", "surrogate", knows=rate)]) for rate in (0.0, 1.0))
    assert "*blank* instead of three golds, margin 0.15: 8 of 8 verdicts are the exact golds'" in alike
    assert "4 of 8" in other and "4 wrong" in other


def test_the_margin_that_makes_a_surrogate_safe_is_the_one_that_leaves_least_open() -> None:
    alike, other = (said("safe_margin", [*known(), row("blank", "surrogate", knows=rate)]) for rate in (0.0, 1.0))
    assert alike.startswith("Margin 0.12 makes a single surrogate safe: of 8 verdicts") and "Wrong" not in alike
    assert other.startswith("No margin up to 0.4") and "Wrong verdicts among those 8: 4 at 0.12" in other
    assert not said("safe_margin", known())


def test_a_floor_is_proposed_only_if_it_is_right_everywhere() -> None:
    safe = said("threshold", [*known(), *known("object/ring")])
    assert safe.startswith("Without any gold: ") and "tells 16 of 16 models apart" in safe
    shy = [one.model_copy(update={"empty": tuple((0.0, 0.0, 0.0, 0.0, 1.0) for _ in one.empty)}) for one in known("object/ring")]
    assert "no threshold is safe" in said("threshold", [*known(), *shy])


def test_lists_read_as_sentences() -> None:
    assert [key_findings.listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
