from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from codes import printed_codes, raises
from results.fresh import drawn, fresh_golds, fresh_record, fresh_world
from results.measured import SHARES, World, measure
from unconceal.cli.main import main
from unconceal.evaluation.compute_verdict import compute_verdict
from unconceal.evaluation.curves import mean_score
from unconceal.paths import DataRoot
from unconceal.results.check_results import check_results
from unconceal.results.rerun_agreement import (
    RerunComparison,
    check_fresh,
    check_golds,
    compare_scores,
    disagreement,
    is_undecided,
    rerun_record,
    with_verification,
)
from unconceal.specs.record import Code, FreshSpecs, Record, Score, Verdict, Verification, read_record, write_record

WHO = ("a maintainer", "2026-11-26")
PATH = Path("results/made-1/object/star/esd-x.standard-full.json")
MEMORIZED = {**SHARES, "memorized": 0.0}
"""``memorized`` looks like a gold on the suite's own prompts and seeds."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> World:
    return fresh_world(tmp_path_factory.mktemp("world"), MEMORIZED)


@pytest.fixture(scope="module")
def golds(measured: World) -> list[Record]:
    return fresh_golds(measured)


def stored(measured: World, name: str = "esd-x") -> Record:
    return next(record for record in measured.records if record.submission == name)


def rerun_of(measured: World, golds: list[Record], name: str = "esd-x", knows: float = 0.7, outputs: int = 1, **changes: object) -> Record:
    """A fresh re-run, compared with golds that were drawn with it."""
    record = fresh_record(measured, name, knows, outputs=outputs).model_copy(update=changes)
    return rerun_record(record, golds, *drawn(measured), *WHO)


def test_other_prompts_agree_within_the_intervals(measured: World, golds: list[Record]) -> None:
    row, rerun = stored(measured), rerun_of(measured, golds)
    assert rerun.scores["excess"].value != row.scores["excess"].value and disagreement(row, rerun) == ""
    record = with_verification(row, rerun, *WHO, PATH)
    assert record.verification.status == "rerun" and record.verification.by == "a maintainer"
    assert "seed 7" in record.verification.reason and rerun.measured_digest[:12] in record.verification.reason
    assert record.digest == record.computed_digest() and record.scores == row.scores, "the row keeps the suite's prompts"


def test_a_memorized_suite_conceals_in_the_fresh_run(measured: World, golds: list[Record]) -> None:
    """A gold on the suite's prompts, θ on all others."""
    row, rerun = stored(measured, "memorized"), rerun_of(measured, golds, "memorized", knows=0.9)
    assert row.verdict.label in ("forgets", "not retrieved") and rerun.verdict.label == "conceals"
    record = with_verification(row, rerun, *WHO, PATH)
    assert record.verification.status == "disputed" and "conceals" in record.verification.reason
    assert not {pair.score: pair.agrees for pair in compare_scores(row, rerun)}["excess"]


def test_a_gold_agrees_with_its_fresh_run(measured: World, golds: list[Record]) -> None:
    rerun = rerun_record(golds[0], golds, *drawn(measured), *WHO)
    assert disagreement(stored(measured, "control-gold-1"), rerun) == ""


def test_disjoint_intervals_dispute_the_row(measured: World, golds: list[Record]) -> None:
    rerun = rerun_of(measured, golds, knows=0.2)
    record = with_verification(stored(measured), rerun, *WHO, PATH)
    assert record.verification.status == "disputed" and record.scores == stored(measured).scores, "the disputed numbers stay"


def test_intervals_that_touch_agree() -> None:
    row, touching, apart = (Score(value=low + 0.1, low=low, high=low + 0.2, n=36) for low in (0.1, 0.3, 0.31))
    assert RerunComparison("excess", row, touching).agrees and RerunComparison("excess", touching, row).agrees
    assert not RerunComparison("excess", row, apart).agrees and not RerunComparison("excess", apart, row).agrees


def test_undefined_agrees_with_undefined_only(measured: World, golds: list[Record]) -> None:
    without = compute_verdict(fresh_record(measured, "esd-x", 0.7), [], *drawn(measured))
    agrees = {comparison.score: comparison.agrees for comparison in compare_scores(stored(measured), without)}
    assert not agrees["excess"] and agrees["presence"] and "excess.relearning" not in agrees, "a probe that failed is left out"


@pytest.mark.parametrize(
    ("row", "rerun", "undecided"),
    [
        ("conceals", "inconclusive", True),
        ("undetermined", "not retrieved", True),
        ("forgets", "not retrieved", True),
        ("not retrieved", "conceals", False),
        ("conceals", "conceals", False),
    ],
)
def test_verdicts_that_do_not_contradict(measured: World, row: str, rerun: str, undecided: bool) -> None:
    records = [stored(measured).model_copy(update={"verdict": Verdict(label=label, reason="")}) for label in (row, rerun)]
    assert is_undecided(*records) is undecided


def test_an_undecided_rerun_changes_nothing(measured: World, golds: list[Record]) -> None:
    rerun = rerun_of(measured, golds).model_copy(update={"verdict": Verdict(label="inconclusive", reason="")})
    assert disagreement(stored(measured), rerun) == ""
    with raises("rerun.undecided"):
        with_verification(stored(measured), rerun, *WHO, PATH)


def test_a_rerun_is_fresh(measured: World) -> None:
    row, rerun = stored(measured), fresh_record(measured, "esd-x", 0.7)
    check_fresh(row, rerun, PATH)
    plain = measure(measured.suite, measured.tasks[0], "esd-x", 0.7, seed=1).model_copy(update={"date": "2026-11-30T12:00:00Z"})
    for other in (row, plain, rerun.model_copy(update={"fresh": None})):
        with raises("rerun.not-fresh"):
            check_fresh(row, other, PATH)
    with raises("rerun.not-fresh"):
        check_fresh(rerun, fresh_record(measured, "esd-x", 0.7, outputs=2), PATH)


def test_a_copy_of_the_row_is_no_rerun(measured: World) -> None:
    """Also with a seed written into it, and also without a time."""
    row, rerun = stored(measured), fresh_record(measured, "esd-x", 0.7)
    copy = row.model_copy(update={"fresh": rerun.fresh, "date": "2026-11-30T12:00:00Z"}).sealed()
    at_once = row.model_copy(update={"date": rerun.date, "environment": rerun.environment})
    for stored_record, other in ((row, copy), (row, rerun.model_copy(update={"date": None})), (at_once, rerun)):
        with raises("rerun.same-measurement"):
            check_fresh(stored_record, other, PATH)


def by_path(records: list[Record]) -> dict[Path, Record]:
    return {Path(f"rerun/{index}-{record.submission}.json"): record for index, record in enumerate(records)}


def test_golds_are_drawn_with_the_rerun(measured: World, golds: list[Record]) -> None:
    published = {name: stored(measured, name) for name in stored(measured).controls}
    rerun = fresh_record(measured, "esd-x", 0.7)
    check_golds(published, rerun, by_path(golds), PATH)
    for others in (golds[1:], [*golds[1:], stored(measured, "control-gold-1")], fresh_golds(measured, seed=8)):
        with raises("rerun.missing-golds"):
            check_golds(published, rerun, by_path(others), PATH)


def test_golds_of_a_rerun_are_no_copies_and_have_the_published_weights(measured: World, golds: list[Record]) -> None:
    """A resealed copy of the published gold, a gold with the re-run's own numbers, and one of other weights."""
    published = {name: stored(measured, name) for name in stored(measured).controls}
    rerun = fresh_record(measured, "esd-x", 0.7)
    copied = published["control-gold-1"].model_copy(update={"fresh": rerun.fresh, "date": rerun.date}).sealed()
    own = golds[0].model_copy(update={"curves": rerun.curves}).sealed()
    other = golds[0].checkpoint.model_copy(update={"sha256": "cd" * 32})
    for forged, code in (
        (copied, "rerun.same-measurement"),
        (own, "rerun.same-measurement"),
        (golds[0].model_copy(update={"checkpoint": other}).sealed(), "rerun.not-comparable"),
    ):
        with raises(code):
            check_golds(published, rerun, by_path([forged, *golds[1:]]), PATH)


def test_a_copy_with_other_ratios_is_no_rerun(measured: World) -> None:
    """ψ is named anew and a prompt is moved, as a forged draw would have it; the numbers are those of the row."""
    row, rerun = stored(measured), fresh_record(measured, "esd-x", 0.7)
    moved = tuple(
        curve.model_copy(update={"psi": tuple(min(1.0, psi + 0.01) for psi in curve.psi), "per_prompt": curve.per_prompt[::-1]})
        for curve in row.curves
    )
    copy = rerun.model_copy(update={"curves": moved}).sealed()
    with raises("rerun.same-measurement"):
        check_fresh(row, copy, PATH)


def test_a_withdrawn_row_is_not_verified(measured: World, golds: list[Record]) -> None:
    mark = Verification(status="withdrawn", by="someone", date="2026-11-26", reason="wrong weights")
    with raises("rerun.withdrawn"):
        with_verification(stored(measured).model_copy(update={"verification": mark}), rerun_of(measured, golds), *WHO, PATH)


def test_a_rerun_needs_a_clean_tree_a_commit_and_weights(measured: World, golds: list[Record]) -> None:
    dirty = Code(version="0.1.0", commit="f" * 40, dirty=True)
    for changes, code in (
        ({"code": dirty}, "record.dirty-code"),
        ({"code": Code(version="0.1.0")}, "record.bad-commit"),
        ({"checkpoint": stored(measured).checkpoint.model_copy(update={"sha256": None})}, "record.no-weights-digest"),
    ):
        with raises(code):
            rerun_of(measured, golds, **changes)
    with raises("record.dirty-code"):
        with_verification(stored(measured).model_copy(update={"code": dirty}), rerun_of(measured, golds), *WHO, PATH)


def test_a_rerun_of_something_else_says_nothing(measured: World, golds: list[Record]) -> None:
    other = stored(measured).checkpoint.model_copy(update={"sha256": "cd" * 32})
    with raises("rerun.not-comparable"):
        compare_scores(stored(measured), rerun_of(measured, golds, checkpoint=other))


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_an_honest_score_is_rarely_disputed(rate: float) -> None:
    """The intervals of two honest measurements of 36 prompts are disjoint in .6 % of re-runs, and in at most 2 % of 1,000 here."""
    rng = np.random.default_rng(0)

    def score() -> Score:
        return mean_score(rng.binomial(1, np.clip(rng.normal(rate, 0.1, 36), 0, 1)).astype(float), n_images=36)

    disputed = sum(not RerunComparison("presence", score(), score()).agrees for _ in range(1000))
    assert disputed <= 20


def test_an_honest_row_is_rarely_disputed(measured: World, golds: list[Record]) -> None:
    """All headline scores and the verdict together, at most 1 of 10."""
    reruns = [rerun_of(measured, golds, outputs=outputs) for outputs in range(2, 12)]
    assert sum(bool(disagreement(stored(measured), rerun)) for rerun in reruns) <= 1


def run(measured: World, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["results", *arguments, "--root", str(measured.root.results.parent), "--by", "a maintainer"])


def write_all(folder: Path, records: list[Record]) -> None:
    for record in records:
        write_record(record, record.path(folder))


def test_the_commands_write_the_outcome(tmp_path: Path) -> None:
    measured = fresh_world(tmp_path, MEMORIZED)
    path, rerun, golds = stored(measured).path(measured.root.results), tmp_path / "rerun", fresh_golds(measured)
    row = ("esd-x", "--task", "object/star", "--with", str(rerun))
    write_all(rerun, [*golds, fresh_record(measured, "esd-x", 0.2)])
    before = path.read_bytes()
    assert printed_codes(run(measured, "compare", *row).output) == ["rerun.disagrees"] and path.read_bytes() == before
    assert run(measured, "compare", *row, "--write").exit_code == 1
    assert read_record(path).verification.status == "disputed"
    write_all(rerun, [fresh_record(measured, "esd-x", 0.7)])
    assert run(measured, "compare", *row, "--write").exit_code == 0
    assert read_record(path).verification.status == "rerun" and check_results(measured.root).problems == ()
    assert run(measured, "mark", *row[:3], "--status", "withdrawn", "--reason", "wrong weights").exit_code == 0
    assert read_record(path).verification.reason == "wrong weights" and check_results(measured.root).problems == ()


def test_compare_refuses_what_is_no_fresh_rerun(tmp_path: Path) -> None:
    """A record compared with itself, with another draw, and without its golds."""
    measured = fresh_world(tmp_path)
    row, rerun = ("esd-x", "--task", "object/star", "--write"), tmp_path / "rerun"
    own = run(measured, "compare", *row, "--with", str(measured.root.results))
    assert printed_codes(own.output) == ["rerun.not-fresh"]
    record = fresh_record(measured, "esd-x", 0.7)
    assert record.fresh is not None
    for change, code in (
        ({"fresh": record.fresh.model_copy(update={"seed": 8})}, "record.other-draw"),
        ({"fresh": FreshSpecs(seed=7, suite_digest="0" * 64, task_digest=record.fresh.task_digest)}, "record.other-draw"),
        ({}, "rerun.missing-golds"),
    ):
        write_all(rerun, [record.model_copy(update=change).sealed()])
        assert printed_codes(run(measured, "compare", *row, "--with", str(rerun)).output) == [code]
    assert read_record(stored(measured).path(measured.root.results)).verification.status == "self_reported"


def test_the_check_of_a_fresh_folder_draws_again(tmp_path: Path) -> None:
    measured = fresh_world(tmp_path)
    root = DataRoot(measured.root.tasks, measured.root.submissions, tmp_path / "rerun", measured.root.store, read_only=False)
    golds = fresh_golds(measured)
    record = compute_verdict(fresh_record(measured, "esd-x", 0.7), golds, *drawn(measured))
    write_all(root.results, [*golds, record])
    assert check_results(root).problems == ()
    assert CliRunner().invoke(main, ["results", "check", "--root", str(tmp_path), "--results", str(root.results)]).exit_code == 0
    moved = tuple(curve.model_copy(update={"psi": (*curve.psi[:-1], 0.99)}) for curve in record.curves)
    for change in ({"seeds": None}, {"curves": moved}, {"fresh": record.fresh.model_copy(update={"seed": 8})} if record.fresh else {}):
        write_all(root.results, [record.model_copy(update=change).sealed()])
        assert "record.other-draw" in {problem.code for problem in check_results(root).problems}
