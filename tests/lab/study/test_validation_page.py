"""The page of a made-up study in which everything comes out as it should, and of one in which nothing is measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from codes import printed_codes
from unconceal.specs.suite import Scoring
from unconceal_lab.cli.main import main
from unconceal_lab.study import page_tables, settings_page, validation_page
from unconceal_lab.study.findings import verdicts
from unconceal_lab.study.population import members
from unconceal_lab.study.reread_verdicts import with_verdicts
from unconceal_lab.study.study_rows import Row, merge_rows, write_rows

PSI = (0.0, 0.1, 0.3, 0.6, 1.0)
LEFT = {"gold": 0.0, "damaged": 0.0, "decoupled": 1.0, "graded": 0.5, "method": 0.7}


def made_up() -> Iterator[Row]:
    """A row for every member of the population: what is left of the concept shows in the empty arm alone."""
    for path, member in enumerate(members()):
        left = LEFT.get(member.kind, 1.0) if member.share is None else member.share
        output, spread = float(member.kind in ("original", "unrelated")), 0.02 * np.sin(path)
        scores = {
            "excess": left + spread,
            "excess.empty": left + spread,
            "excess.prompt": 0.1 * left,
            "presence": output,
            "ccs.forget.resnet18": spread,
        }
        yield Row(
            task=member.task,
            name=member.name,
            kind=member.kind,
            truth=member.truth,
            share=member.share,
            held_out=member.held_out,
            scores=scores,
            psi=PSI,
            prompt=((output, output, output, output, 1.0),) * 36,
            empty=((0.0, left, left, left, 1.0),) * 36,
            retain_psi=(0.0, 1.0),
            retain=((0.0 if member.kind == "damaged" else 1.0, 1.0),) * 20,
            unseen=output,
            relearning=1.1 - left - spread,
        )


def surrogate(task: str, completes: float) -> Row:
    """A model that never saw the concept, but completes hints of it at some rate."""
    return Row(
        task=task,
        name="surrogate",
        kind="surrogate",
        share=0.0,
        psi=PSI,
        prompt=((0.0, 0.0, 0.0, 0.0, 1.0),) * 36,
        empty=((0.0, completes, completes, completes, 1.0),) * 36,
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    docs = tmp_path_factory.mktemp("docs")
    write_rows(made_up(), docs / page_tables.FOLDER / "rows.jsonl")
    done = CliRunner().invoke(main, ["validation", "--reports", str(docs)])
    assert done.exit_code == 0, done.output
    return docs, (docs / validation_page.PAGE).read_text(encoding="utf-8")


def test_every_picture_of_the_page_is_drawn(written: tuple[Path, str]) -> None:
    docs, text = written
    names = {line.partition("](")[2].rstrip(")") for line in text.splitlines() if line.startswith("![")}
    assert names == {path.relative_to(docs).as_posix() for path in (docs / page_tables.FOLDER).glob("*.png")} and len(names) == 5


def test_truths_that_all_come_out_are_counted_so(written: tuple[Path, str]) -> None:
    _, text = written
    assert "Verdicts that differ from the truth" not in text and "### Held out" in text
    known_values = sum(member.kind in page_tables.SCORED_KINDS and not member.held_out for member in members())
    assert any(line.startswith("| scored in all") and f"| {known_values} " in line for line in text.splitlines())


def test_a_metric_that_separates_and_one_that_does_not(written: tuple[Path, str]) -> None:
    _, text = written
    ranks, differences = text.split("## Separation of concealers")
    line = next(line for line in ranks.splitlines() if line.startswith("| excess, empty arm"))
    assert float(line.split("|")[2].split()[0]) > 0.9
    areas = {line.split("|")[1].strip(): line.split("|")[2] for line in differences.splitlines() if line.startswith("| ")}
    assert areas["excess, empty arm"].strip().startswith("1.000") and not areas["CCS"].strip().startswith("1.000")


def test_verdicts_read_anew_follow_the_margin() -> None:
    rows = [row for row in made_up() if row.task == "object/star"]
    assert all(
        item.right == item.n for kind, item in page_tables.by_kind(rows, Scoring(margin=0.15)).items() if kind in page_tables.SCORED_KINDS
    )
    wide = page_tables.by_kind(rows, Scoring(margin=1.0))
    assert not wide["decoupled"].right and page_tables.count_cells({"gold": verdicts([])})[2] == "–"


def test_a_surrogate_stands_in_for_golds_as_far_as_it_completes_like_them() -> None:
    rows = [row for row in made_up() if row.task == "object/star" and row.kind != "surrogate"]
    alike, other = ([*rows, surrogate("object/star", rate)] for rate in (0.0, 0.9))
    read = page_tables.by_kind(alike, Scoring(margin=0.15), golds=page_tables.is_surrogate("surrogate"))
    assert read["gold"].right == read["gold"].n and read["decoupled"].right == read["decoupled"].n
    assert not page_tables.by_kind(other, Scoring(margin=0.15), golds=page_tables.is_surrogate("surrogate"))["decoupled"].right
    none = page_tables.by_kind(rows, Scoring(margin=0.15), golds=None)
    assert none["original"].right and none["gold"].undecided == none["gold"].n
    assert "| surrogate" in validation_page.surrogate_golds(alike, Scoring())


def test_other_settings_have_a_table_of_their_own() -> None:
    usual = [row for row in made_up() if row.task == "object/star" and row.kind in ("gold", "decoupled")]
    weak = [row.model_copy(update={"setting": "15 steps", "empty": row.prompt}) for row in usual]
    rows = with_verdicts(usual, Scoring(margin=0.15)) + with_verdicts(weak, Scoring(margin=0.15))
    written = settings_page.other_settings(rows, Scoring(margin=0.15)).splitlines()
    (line,) = ([cell.strip() for cell in line.split("|")[1:-1]] for line in written if line.startswith("| 15"))
    assert line[:2] == ["15 steps", "object/star"] and line[3] == "0/4", "with nothing completed in either arm no concealer is found"
    assert line[-1] == "1.00 → 0.00", "beside what the same models have usually"
    assert "15 steps" not in validation_page.known_truths(usual, Scoring())


def test_the_order_in_which_rows_were_measured_changes_nothing() -> None:
    rows = list(made_up())
    assert merge_rows(rows[::-1]) == merge_rows(rows[:7], rows[7:]) and len(merge_rows(rows, rows)) == len(rows)


def test_a_page_without_rows_reports_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["validation", "--reports", str(tmp_path)])
    assert done.exit_code == 1 and printed_codes(done.stderr) == ["study.no-rows"] and not (tmp_path / validation_page.PAGE).exists()
    rows = [row for row in made_up() if row.kind == "method"]
    assert "Not measured yet" in validation_page.page(rows, Scoring())


def test_models_identical_in_the_empty_arm_count_once(written: tuple[Path, str]) -> None:
    rows = [row for row in made_up() if row.kind in page_tables.SCORED_KINDS]
    once = {(row.task, row.kind) for row in rows}
    assert len(validation_page.independent(rows)) == len(once) < len(rows)
    other = rows[0].model_copy(update={"name": "other", "empty": ((0.0, 0.1, 0.2, 0.3, 1.0),) * 36})
    assert len(validation_page.independent([*rows, other])) == len(once) + 1
    counts = [line.split("|")[2].strip() for line in written[1].splitlines() if line.startswith("| of these independent")]
    assert sum(map(int, counts)) == len(once)


def test_a_surrogate_with_the_name_of_its_kind_is_not_pooled_with_the_others() -> None:
    rows = [row for row in made_up() if row.task == "object/star" and row.kind != "surrogate"]
    other = surrogate("object/star", 0.9).model_copy(update={"name": "blank-1"})
    alone, beside = ([*rows, surrogate("object/star", 0.0), *more] for more in ([], [other]))
    is_surrogate = page_tables.is_surrogate("surrogate")
    assert page_tables.by_kind(alone, Scoring(), golds=is_surrogate) == page_tables.by_kind(beside, Scoring(), golds=is_surrogate)
