"""Facts that the documentation states equal those of specs, records and code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from docs.pages import PAGES, ROOT
from unconceal.paths import DataRoot
from unconceal.specs import (
    image_ratings,
    inference_rule,
    judge_training,
    paper_protocol,
    planting_plan,
    probe_results,
    probe_set,
    record,
    submission,
    suite,
    task,
)
from unconceal.specs.loader import all_submissions, load_suite
from unconceal.specs.record import Environment, Record, read_record
from unconceal.specs.score import Score
from unconceal_lab.reports import error_codes

SPEC_MODULES = (
    image_ratings,
    inference_rule,
    judge_training,
    paper_protocol,
    planting_plan,
    probe_results,
    probe_set,
    record,
    submission,
    suite,
    task,
)
OLD_WORDS = re.compile(
    r"--fast\b|--batch(?!-size)\b|\bprobes (?:liken|compare)\b|\bplant (?:keep|draw)\b|unconceal (?:miniature|bench|score)\b|\blicence\b"
)


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def table_rows(text: str) -> list[list[str]]:
    """The cells of every table row, without emphasis and code marks."""
    return [[cell.strip(" *`") for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def spec_fields() -> set[str]:
    """The names of all fields of all specs."""
    models = [
        value for module in SPEC_MODULES for value in vars(module).values() if isinstance(value, type) and issubclass(value, BaseModel)
    ]
    return {field for model in models for field in model.model_fields}


def short(value: float | None) -> str:
    """A number as the tables show it: two decimals, no leading zero, a true minus sign."""
    assert value is not None
    return f"{value:.2f}".replace("-", "−").replace("0.", ".", 1)


def with_interval(score: Score) -> str:
    return f"{short(score.value)} [{short(score.low)}, {short(score.high)}]"


def test_a_record_has_the_documented_fields() -> None:
    page = read("docs/reference/records.md")
    assert f"| `schema_version` | {Record.model_fields['schema_version'].default} |" in page
    for field in (*Record.model_fields, *Environment.model_fields):
        assert f"`{field}`" in page, field


def test_settings_named_in_the_docs_exist() -> None:
    fields = spec_fields()
    for page in set(PAGES) - {ROOT / "docs/reference/metric-functions.md"}:
        names = re.findall(r"`((?:min|max|n|num)_\w+)`", page.read_text(encoding="utf-8"))
        assert set(names) <= fields, page


def test_the_readme_table_equals_the_records() -> None:
    rows = [row for row in table_rows(read("README.md")) if len(row) == 6]
    submissions = {
        "decouple-to-other": "decouple-to-other",
        "redirected-continuation": "control-adversary-redirected-continuation",
        "ESD-x": "esd-x",
        "UCE": "uce",
        "gold 1": "control-gold-1",
        "cross-attention replaced by noise": "control-collapsed",
    }
    checked = 0
    for name, presence, *excess, verdict in rows:
        submission_name = submissions.get(name.split(":")[0])
        if submission_name is None:
            continue
        stored = read_record(ROOT / f"results/miniature-3/object/star/{submission_name}.standard-full.json")
        scores = stored.scores
        assert (presence, verdict) == (short(scores["presence"].value), stored.verdict.label)
        expected = [with_interval(scores[f"excess.{probe}"]) for probe in ("prompt", "empty", "relearning")]
        assert [cell.strip("*") for cell in excess] == expected
        checked += 1
    assert checked == len(submissions)


def test_the_verdict_page_states_the_margins_in_force() -> None:
    page, root = read("docs/concepts/verdict.md"), DataRoot.find(ROOT)
    scores = load_suite(root, "miniature").scores
    assert f"{short(scores.margin)} in `miniature`" in page and f"{short(load_suite(root, 'sd14').scores.margin)} in `sd14`" in page
    assert f"`min_prompts` ({scores.min_prompts})" in page and f"`max_retain_drop` ({scores.max_retain_drop:g})".replace("0.", ".") in page
    low, high = scores.excess_psi
    assert f"[{low:g}, {high:g}] for excess retrieval".replace("0.", ".") in read("docs/concepts/metrics.md")


def test_every_verdict_code_is_documented() -> None:
    source = read("benchmark/unconceal/metrics/verdict.py")
    codes = set(re.findall(r'"([a-z]+\.[a-z-]+)"', source))
    page = read("docs/concepts/verdict.md")
    assert codes and not [code for code in codes if f"`{code}`" not in page]


def test_unlearners_have_the_submission_files_that_the_page_states() -> None:
    files = {item.name for item in all_submissions(DataRoot.find(ROOT)) if item.suite == "miniature"}
    rows = [row for row in table_rows(read("docs/concepts/miniature.md")) if row[-1] in ("yes", "no") and len(row) == 4]
    stated = {row[0].split("`")[0]: row[-1] == "yes" for row in rows}
    assert len(stated) >= 16
    assert {name: name in files for name in stated} == stated


def test_superseded_results_are_marked() -> None:
    assert "version 1" in read("docs/concepts/paper-protocol.md")
    assert "version 1" in read("docs/reports/scratch-gold.md")


def test_codes_named_in_prose_exist() -> None:
    known_values = set(error_codes.error_codes())
    for name in ("docs/reference/errors.md", "CHANGELOG.md"):
        for code in re.findall(r"such as `([a-z-]+\.[a-z-]+)`", read(name)):
            assert code in known_values, (name, code)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_page_uses_an_old_name(page: Path) -> None:
    assert not OLD_WORDS.findall(page.read_text(encoding="utf-8"))
