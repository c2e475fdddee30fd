"""An inference-time method is marked wherever its row stands, and a record that hides the mark is caught."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from leaderboard.records import control, data_root, record
from unconceal.exports import bibtex, csv_table, eval_results, latex
from unconceal.leaderboard.labels import INFERENCE_TIME
from unconceal.leaderboard.markdown import leaderboard_markdown, row_objects, terminal_table
from unconceal.leaderboard.sources import Sources
from unconceal.paths import DataRoot
from unconceal.publish.dataset_rows import record_from_rows
from unconceal.publish.dataset_tables import build_tables
from unconceal.results.record_checks import record_flaws
from unconceal.results.result_tables import ResultTable, load_newest_tables
from unconceal.site.build import write_site
from unconceal.specs.inference_rule import NegativePrompt, rule_digest
from unconceal.specs.record import Record, Verdict

RULE = NegativePrompt(rule="negative-prompt", prompt="star")


def ruled(name: str = "esd-x", **changes: Any) -> Record:
    checkpoint = record(name).checkpoint.model_copy(update={"format": "original", "sha256": rule_digest(RULE), "components": {}})
    return record(name, checkpoint=checkpoint, inference=RULE, **changes)


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return data_root(tmp_path, ruled(), record("uce"), control("gold-1"))


@pytest.fixture
def tables(root: DataRoot) -> tuple[ResultTable, ...]:
    return load_newest_tables([root.results])


def marked(text: str, name: str) -> bool:
    """Whether the lines of a submission are marked."""
    lines = [line for line in text.splitlines() if name in line]
    assert lines
    return all(INFERENCE_TIME in line for line in lines)


def test_tables_and_exports(root: DataRoot, tables: tuple[ResultTable, ...]) -> None:
    sources = Sources(root)
    text = leaderboard_markdown(tables, sources, root.results.parent)
    table_rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    assert marked(table_rows, "esd-x") and not marked(table_rows, "uce")
    assert f"**({INFERENCE_TIME})**" in text
    assert marked(terminal_table(tables[0]), "esd-x") and not marked(terminal_table(tables[0]), "uce")
    assert {row["submission"]: row["inference"] for row in row_objects(tables, sources, root.results)}["esd-x"] == "negative-prompt"
    body = latex.export(tables, sources, latex.LatexStyle()).partition(r"\midrule")[2]
    assert marked(body, "esd-x") and not marked(body, "uce")
    rows = list(csv.DictReader(io.StringIO(csv_table.export(tables, sources))))
    assert {row["submission"]: row["inference"] for row in rows} == {"esd-x": "negative-prompt", "uce": "", "control-gold-1": ""}
    notes = eval_results.eval_result_files(tables, "owner/data")
    assert all((INFERENCE_TIME in text) == ("esd-x" in path) for path, text in notes.items())
    entries = bibtex.export(tables, sources, root.results.parent).split("\n\n")
    results = [entry for entry in entries if "excess" in entry]
    assert {"{esd-x" in entry: INFERENCE_TIME in entry for entry in results} == {True: True, False: False}


def test_a_leaderboard_without_any_does_not_explain_the_mark(tmp_path: Path) -> None:
    root = data_root(tmp_path, record(), control("gold-1"))
    assert INFERENCE_TIME not in leaderboard_markdown(load_newest_tables([root.results]), Sources(root), tmp_path)


def test_the_site(root: DataRoot, tables: tuple[ResultTable, ...], tmp_path: Path) -> None:
    out = tmp_path / "site"
    write_site(tables, Sources(root), out)
    for page in ("index.html", "miniature-1/tasks/object-star.html"):
        rows = {line for line in (out / page).read_text().splitlines() if line.startswith('<tr class="method"')}
        assert {"esd-x" in row: INFERENCE_TIME in row for row in rows} == {True: True, False: False}
    page = (out / "miniature-1/esd-x.html").read_text()
    assert INFERENCE_TIME in page and "negative-prompt" in page
    assert INFERENCE_TIME not in (out / "miniature-1/uce.html").read_text()


def test_the_dataset_keeps_the_rule(root: DataRoot) -> None:
    tables = {name: table.to_pylist() for name, table in build_tables(root).items()}
    rows = {row["submission"]: row for row in tables["results"]}
    assert json.loads(rows["esd-x"]["inference"]) == {"rule": "negative-prompt", "prompt": "star"} and rows["uce"]["inference"] is None
    again = record_from_rows(rows["esd-x"], [row for row in tables["curves"] if row["submission"] == "esd-x"])
    assert again.inference == RULE


def codes(changed: Record) -> set[str]:
    return {flaw.code for flaw in record_flaws(changed.model_copy(update={"digest": ""}).sealed())}


def test_a_record_that_hides_its_rule_is_flawed() -> None:
    """The rule removed, another rule, the digest of weights, a rule beside weights, and `forgets`; the digests are computed anew."""
    row = ruled()
    assert codes(row) == set()
    assert codes(row.model_copy(update={"inference": None})) == {"record.other-rule"}
    other = NegativePrompt(rule="negative-prompt", prompt="ring")
    assert codes(row.model_copy(update={"inference": other})) == {"record.other-rule"}
    assert codes(record().model_copy(update={"inference": RULE})) == {"record.rule-with-weights"}
    forgets = Verdict(label="forgets", reason="as gold", gold="trained-without")
    assert codes(row.model_copy(update={"verdict": forgets})) == {"record.impossible-verdict"}


def test_a_record_without_a_rule_keeps_its_digest() -> None:
    """The new field changes no record that lacks it."""
    assert "inference" not in record().content() and record().digest == record(inference=None).digest
