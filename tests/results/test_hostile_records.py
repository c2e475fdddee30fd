"""Records of strangers: names that would leave a folder are refused by every verb, and free text stays text in every output."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from codes import printed_codes
from leaderboard.probed import probed
from leaderboard.records import control, data_root, record, stored
from unconceal.cli.main import main
from unconceal.paths import DataRoot
from unconceal.specs.digests import canonical_digest
from unconceal.specs.probe_results import ProximityRanker, RankCorrelation
from unconceal.specs.score import Score
from unconceal.specs.submission import Submission

CLIMB = "../../../../../x"
HOSTILE: dict[str, Any] = {
    "submission": CLIMB,
    "task": f"object/{CLIMB}",
    "protocol": CLIMB,
    "tier": "</script>",
    "suite": "a\x1b[31m",
    "suite_version": 2**53 - 1,
    "date": 3,
    "controls": {CLIMB: "ab" * 32},
    "scores": {"=cmd()": {"value": 1.0, "low": None, "high": None, "n": 1, "note": ""}},
    "judges": {"\u202e": "x"},
}
FALL = tuple(0.1 * number for number in range(12))
VERBS = (
    ("site", "--out", "{out}/site"),
    ("report", "--all", "--out", "{out}/report"),
    ("export", "--format", "csv", "--out", "{out}/a.csv"),
    ("export", "--format", "eval-results", "--dataset", "a/b", "--out", "{out}/eval"),
    ("leaderboard",),
    ("cite", "esd-x"),
    ("results", "check"),
)


def write_raw(root: DataRoot, **changes: Any) -> Path:
    """A record whose fields are not validated, sealed by whoever wrote it."""
    path = stored(record(), root.results).path
    fields = record().content(exclude={"digest", "date", "timing"}) | changes
    digest = canonical_digest(fields)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(json.loads(record().model_dump_json()) | changes | {"digest": digest}), encoding="utf-8")
    return path


@pytest.mark.parametrize("field", HOSTILE)
def test_names_that_are_none_are_refused_by_every_verb(tmp_path: Path, field: str) -> None:
    root = data_root(tmp_path / "root")
    write_raw(root, **{field: HOSTILE[field]})
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    for verb in VERBS:
        arguments = [argument.format(out=tmp_path / "out") for argument in verb]
        result = CliRunner().invoke(main, [*arguments, "--root", str(root.results.parent)])
        assert result.exit_code == 1, (verb, result.output)
        assert printed_codes(result.stderr)[:1] == ["record.invalid"] or "record.invalid" in result.output, (verb, result.output)
        assert not set(result.output) & {"\x1b", "\u202e"}
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before


def test_free_text_stays_text_in_every_output(tmp_path: Path) -> None:
    markup = "=<img src=x onerror=alert(1)>[a](javascript:alert(1))"
    ranker = ProximityRanker(name=markup, kind="images")
    correlation = RankCorrelation(ranker=markup, measure="clip", rho=Score(value=0.5, n=9))
    results = probed(FALL, rankers=(ranker,), rank_correlations=(correlation,))
    root = data_root(tmp_path / "root", record(probe_results=results, damage={markup: Score(value=0.1, n=3)}), control("gold-1"))
    submission = Submission.model_validate(
        {
            "name": "esd-x",
            "suite": "miniature",
            "title": "x}, author = {Somebody Else},\n  note = {%",
            "description": markup,
            "paper": "https://arxiv.org/abs/1}x{",
            "code": "javascript:alert(1)",
            "checkpoints": {"object/star": {"path": "a.pt"}},
        }
    )
    path = root.submissions / "miniature" / "esd-x.yaml"
    path.write_text(submission.model_dump_json(exclude_defaults=True), encoding="utf-8")
    outputs = {form: run(root, "export", "--format", form) for form in ("csv", "latex", "bibtex")}
    outputs["markdown"] = run(root, "leaderboard", "--print")
    run(root, "site", "--out", str(tmp_path / "site"))
    html = (tmp_path / "site" / "miniature-1" / "esd-x.html").read_text(encoding="utf-8")
    assert "<img src=x" not in html and 'href="javascript:' not in html
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(outputs["markdown"])
    tokens += [child for token in tokens for child in token.children or ()]
    assert not [token for token in tokens if token.type == "image" or (token.type.startswith("html") and "img" in token.content)]
    assert not [token for token in tokens if "javascript" in str(token.attrs.get("href", ""))]
    assert all(not cell.startswith("=") for row in csv.reader(io.StringIO(outputs["csv"])) for cell in row)
    assert "author = {Somebody" not in outputs["bibtex"]
    assert outputs["bibtex"].count("{") == outputs["bibtex"].count("}")


def test_a_submission_that_is_a_link_out_of_the_root_is_not_opened(tmp_path: Path) -> None:
    root = data_root(tmp_path / "root")
    folder = root.submissions / "miniature"
    (tmp_path / "secret").write_text("name: x\npassword: 12345\n")
    (folder / "esd-x.yaml").unlink()
    (folder / "esd-x.yaml").symlink_to(tmp_path / "secret")
    result = CliRunner().invoke(main, ["submissions", "check", "--no-weights", "--root", str(root.results.parent)])
    assert (result.exit_code, "password" in result.output) == (1, False)
    assert "spec.link" in result.output


def run(root: DataRoot, *arguments: str) -> str:
    result = CliRunner().invoke(main, [*arguments, "--root", str(root.results.parent)])
    assert result.exit_code == 0, result.output
    return result.stdout
