"""Files for Every Eval Ever against its published schemas (version 0.3.0, MIT, beside this test), and read back as reported scores."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from codes import printed_codes
from leaderboard.records import control, data_root, record, with_prompts
from unconceal.cli.main import main
from unconceal.exports.every_eval_ever import record_files
from unconceal.leaderboard.leaderboard_file import leaderboard_pages
from unconceal.paths import DataRoot
from unconceal.results.result_tables import ResultRow
from unconceal.specs.record import Verification
from unconceal.specs.reported import load_reported

SCHEMAS = Path(__file__).parent / "every_eval_ever"
PATH = re.compile(r"data/unconceal/[^/]+/[^/]+/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}(_samples\.jsonl|\.json)")
SOURCE = ("--title", "Theirs", "--url", "https://example.org/them", "--location", "data/them")


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    gone = Verification(status="withdrawn", by="someone", date="2026-11-26", reason="wrong weights")
    return data_root(tmp_path, *map(with_prompts, (record(), record("esd-u", 0.41), control("gold-1"), record("gone", verification=gone))))


def exported(root: DataRoot, tmp_path: Path) -> dict[str, str]:
    """Relative path to text of every file."""
    out = tmp_path / "datastore"
    arguments = ["export", "--format", "every-eval-ever", "--out", str(out), "--root", str(root.results.parent)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return {path.relative_to(out).as_posix(): path.read_text(encoding="utf-8") for path in out.rglob("*") if path.is_file()}


def test_every_file_is_valid_and_the_two_of_a_record_agree(root: DataRoot, tmp_path: Path) -> None:
    files = exported(root, tmp_path)
    aggregates = {path: json.loads(text) for path, text in files.items() if path.endswith(".json")}
    assert len(aggregates) == 3 and all(PATH.fullmatch(path) for path in files), "withdrawn rows are left out"
    for path, aggregate in aggregates.items():
        jsonschema.validate(aggregate, schema("eval"))
        details = aggregate["detailed_evaluation_results"]
        samples = files[details["file_path"]]
        assert details["file_path"] == path.replace(".json", "_samples.jsonl")
        assert details["checksum"] == hashlib.sha256(samples.encode()).hexdigest()
        rows = [json.loads(line) for line in samples.splitlines()]
        assert details["total_rows"] == len(rows) > 0
        for row in rows:
            jsonschema.validate(row, schema("instance_level_eval"))
            assert row["evaluation_id"] == aggregate["evaluation_id"] and row["model_id"] == aggregate["model_info"]["id"]


def test_numbers_are_the_records(root: DataRoot, tmp_path: Path) -> None:
    row = with_prompts(record())
    files = dict(record_files(ResultRow(row, Path("x.json")), None))
    aggregate = json.loads(next(text for path, text in files.items() if path.endswith(".json")))
    results = {result["metric_config"]["metric_id"]: result for result in aggregate["evaluation_results"]}
    score, excess = row.scores["excess"], results["unconceal.excess"]
    details = excess["score_details"]
    interval = details["uncertainty"]["confidence_interval"]
    assert (details["score"], interval["lower"], interval["upper"]) == (score.value, score.low, score.high)
    assert details["uncertainty"]["num_samples"] == score.n and excess["metric_config"]["lower_is_better"] is True
    assert details["details"]["verdict"] == row.verdict.title
    curve = next(curve for curve in row.curves if curve.name == "presence" and curve.split == "forget" and curve.arm == "prompt")
    lines = [json.loads(line) for line in next(text for path, text in files.items() if path.endswith(".jsonl")).splitlines()]
    values = [line["evaluation"]["score"] for line in lines if f"/{curve.arm}/" in line["sample_id"]]
    assert values == [value for prompt in curve.per_prompt for value in prompt if value is not None]


def test_equal_records_give_equal_names_and_bytes(root: DataRoot, tmp_path: Path) -> None:
    row = ResultRow(with_prompts(record()), tmp_path / "a.json")
    assert dict(record_files(row, None)) == dict(record_files(ResultRow(row.record, tmp_path / "b.json"), None))


def test_read_back_as_reported_scores(root: DataRoot, tmp_path: Path) -> None:
    files = exported(root, tmp_path)
    path = next(tmp_path / "datastore" / name for name in files if name.endswith(".json") and "/esd-u/" in name)
    arguments = ["results", "import", str(path), *SOURCE, "--name", "theirs", "--root", str(root.results.parent)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    (reported,) = load_reported((root.results,))
    excess = next(score for score in reported.scores if score.metric == "Excess retrieval")
    assert excess.value == pytest.approx(0.41) and excess.lower_is_better and excess.low is not None and excess.low < 0.41
    text = leaderboard_pages(root)[root.results / "reported/README.md"]
    assert "https://example.org/them" in text and "Excess retrieval" in text


@pytest.mark.parametrize(
    "content, code",
    [
        ("{}", "import.unreadable"),
        ("[" * 100_000, "import.unreadable"),
        ("\x00", "import.unreadable"),
        ('{"schema_version": "0.3.0", "model_info": {"id": "a"}, "evaluation_results": []}', "import.unreadable"),
        (
            '{"schema_version": "9.0.0", "model_info": {"id": "a"}, "evaluation_results": [{"evaluation_name": "x", "metric_config": '
            '{"lower_is_better": true}, "score_details": {"score": 1}}]}',
            "import.unknown-version",
        ),
        (
            '{"schema_version": "0.3.0", "model_info": {"id": "a"}, "evaluation_results": [{"evaluation_name": "x", "metric_config": '
            '{"lower_is_better": true}, "score_details": {"score": NaN}}]}',
            "import.unreadable",
        ),
    ],
)
def test_what_is_no_aggregate_file_is_refused(content: str, code: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(content, encoding="utf-8")
    result = CliRunner().invoke(main, ["results", "import", str(path), *SOURCE])
    assert result.exit_code == 1 and printed_codes(result.output) == [code]


def test_a_source_needs_an_address(tmp_path: Path) -> None:
    arguments = ["results", "import", "x.json", "--title", "a", "--url", "javascript:alert(1)", "--location", "b"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2 and printed_codes(result.output) == ["import.bad-source"]
