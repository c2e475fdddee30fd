"""What other programs get: every number as it is in the record, and text that TeX and BibTeX can read."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from huggingface_hub import parse_eval_result_entries
from ruamel.yaml import YAML

from codes import printed_codes, refuses
from leaderboard.records import control, data_root, record, submission, write
from unconceal.cli.main import main
from unconceal.escape import escape_bibtex
from unconceal.paths import DataRoot
from unconceal.results.marks import with_mark
from unconceal.specs.record import Verdict, Verification

DISPUTED = Verification(status="disputed", by="someone", date="2026-11-26", reason="a re-run says intact")
WITHDRAWN = Verification(status="withdrawn", by="someone", date="2026-11-26", reason="wrong weights")


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    rows = [record(), record("esd-u", 0.41), record("worse", 0.9), control("gold-1"), record("gone", verification=WITHDRAWN)]
    return data_root(tmp_path, *rows, record(task="art-style/dots", verification=DISPUTED))


def run(root: DataRoot, *arguments: str) -> Result:
    result = CliRunner().invoke(main, [*arguments, "--root", str(root.results.parent)])
    assert result.exit_code == 0, result.output
    return result


def test_csv_holds_every_number(root: DataRoot) -> None:
    rows = list(csv.DictReader(io.StringIO(run(root, "export", "--format", "csv").stdout)))
    assert [(row["task"], row["submission"], row["rank_low"], row["rank_high"]) for row in rows[1:]] == [
        ("object/star", "esd-x", "1", "2"),
        ("object/star", "esd-u", "1", "2"),
        ("object/star", "worse", "3", "3"),
        ("object/star", "gone", "", ""),
        ("object/star", "control-gold-1", "", ""),
    ]
    result = record()
    for name, score in result.scores.items():
        for column, value in ((name, score.value), (f"{name}.low", score.low), (f"{name}.high", score.high), (f"{name}.n", score.n)):
            assert rows[1][column] == ("" if value is None else str(value)), column
    assert float(rows[1]["damage.heart"]) == 0.11


def test_json_is_what_the_leaderboard_says(root: DataRoot) -> None:
    assert json.loads(run(root, "export", "--format", "json").stdout) == json.loads(run(root, "leaderboard", "--json").stdout)


def test_one_task_and_a_file(root: DataRoot, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    run(root, "export", "--format", "csv", "--task", "object/star", "--out", str(out))
    assert "dots" not in out.read_text() and "esd-u" in out.read_text()


def test_nothing_to_export_is_bad_usage(root: DataRoot) -> None:
    arguments = ["export", "--format", "csv", "--task", "object/moon", "--root", str(root.results.parent)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2 and len(result.output.splitlines()) == 1


def test_latex_marks_the_best_and_its_ties(root: DataRoot) -> None:
    text = run(root, "export", "--format", "latex").stdout
    assert r"1--2 & esd-x & conceals \textbf{.40 [.35, .45]} \\" in text and r"1--2 & esd-u & conceals \textbf{.41 [.36, .46]} \\" in text
    assert r"3 & worse & conceals .90 [.85, .95] \\" in text and r" & gone & withdrawn \\" in text
    assert r"& \textit{control-gold-1} & forgets .00 [$-$.05, .05] \\" in text
    assert r"dots $\downarrow$" in text and "& disputed" in text and "trained-without" in text
    assert text.index("tab-miniature-1-all-standard") < text.index("tab-miniature-1-object-standard"), (
        "the table over all tasks is the first"
    )


def test_columns_are_chosen(root: DataRoot) -> None:
    text = run(root, "export", "--format", "latex", "--columns", "excess,presence", "--task", "object/star").stdout
    assert r"1--2 & esd-x & conceals \textbf{.40 [.35, .45]} & \textbf{.04 [$-$.01, .09]} \\" in text
    arguments = ["export", "--format", "latex", "--columns", "beauty", "--root", str(root.results.parent)]
    assert printed_codes(CliRunner().invoke(main, arguments).output) == ["export.unknown-column"]


@pytest.mark.parametrize("width", ["column", "page"])
def test_latex_tables_fit(root: DataRoot, tmp_path: Path, width: str) -> None:
    """Nine tasks and long names, in one column and across the page of two: nothing is overfull."""
    tex = shutil.which("pdflatex")
    if tex is None or subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True, check=False).returncode:
        pytest.skip("no pdflatex with booktabs here (Debian: texlive-latex-base, texlive-latex-recommended)")
    long = "control-adversary-redirected-continuation"
    write(root, *(record(name, 0.5, task=f"object/shape-{number}") for number in range(7) for name in ("esd-x", long)))
    body = run(root, "export", "--format", "latex", "--width", width).stdout
    page = "\\documentclass[twocolumn]{article}\\usepackage{booktabs,tabularx}\\begin{document}" + body + "\\end{document}"
    (tmp_path / "t.tex").write_text(page)
    done = subprocess.run(
        [tex, "-interaction=nonstopmode", "-halt-on-error", "t.tex"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0 and (tmp_path / "t.pdf").stat().st_size > 1000, done.stdout[-1500:]
    assert "Overfull" not in (tmp_path / "t.log").read_text(errors="replace")


@pytest.mark.parametrize("style", ["plain", "acm", "ieeetr", "IEEEtran"])
def test_bibtex_compiles_without_warnings(root: DataRoot, tmp_path: Path, style: str) -> None:
    tex, bibtex = shutil.which("pdflatex"), shutil.which("bibtex")
    if tex is None or bibtex is None or subprocess.run(["kpsewhich", f"{style}.bst"], capture_output=True, check=False).returncode:
        pytest.skip(f"no bibtex with {style}.bst here (Debian: texlive-binaries, texlive-publishers)")
    own = '@inproceedings{x, title={A {Title}}, author={M{\\"u}ller, A. and B, C}, booktitle={Conf}, year=2024}'
    with_entry = submission("esd-u", "ESD-u", bibtex=own)
    with_fields = submission("worse", "Worse_100%", paper_title="On & off", authors=("A B",), year=2024, venue="Conf_1")
    for spec in (with_entry, with_fields):
        (root.submissions / f"miniature/{spec.name}.yaml").write_text(spec.model_dump_json(exclude_none=True))
    (tmp_path / "rows.bib").write_text(run(root, "export", "--format", "bibtex").stdout)
    body = f"\\nocite{{*}}\\bibliographystyle{{{style}}}\\bibliography{{rows}}"
    page = f"\\documentclass{{article}}\\usepackage{{url}}\\begin{{document}}{body}\\end{{document}}"
    (tmp_path / "t.tex").write_text(page)
    for command in (
        [tex, "-interaction=nonstopmode", "t.tex"],
        [bibtex, "t"],
        [tex, "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
    ):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0 and "Warning--" not in done.stdout, done.stdout[-1500:]


@pytest.mark.parametrize(
    "text",
    [
        "@misc{a, title={x}} @misc{b, title={y}}",
        "@preamble{a, title={x}}",
        "@misc{a, title={\\input{secret}}}",
        "@misc{a, title={x}, note=\\write18}",
        "@misc{a, title={x}} % hidden",
        "@misc{a, title={x}",
        "no entry",
    ],
)
def test_a_bibtex_of_several_entries_or_with_commands_is_refused(text: str) -> None:
    with refuses("submission.bad-bibtex"):
        submission("esd-u", "ESD-u", bibtex=text)


def entries(text: str) -> dict[str, dict[str, str]]:
    """BibTeX by key, read with a reader of our own: braces must balance and every field end."""
    result = {}
    for match in re.finditer(r"@(\w+)\{([^,]+),\n(.*?)\n\}(?:\n|$)", text, re.S):
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", match[3], re.M))
        assert all(value.count("{") == value.count("}") for value in fields.values()), match[0]
        result[match[2]] = fields
    assert len(result) == text.count("\n@") + text.startswith("@")
    return result


def test_bibtex_per_row_and_suite(root: DataRoot) -> None:
    result = entries(run(root, "export", "--format", "bibtex").stdout)
    assert "version 1" in result["miniature-1"]["howpublished"]
    row = result["esd-x-miniature-1-star"]
    assert "conceals, gold trained-without, excess .40 [.35, .45]" in row["note"] and record().measured_digest[:12] in row["note"]
    assert "tier full" in row["howpublished"] and "version 1" in row["howpublished"] and "self-reported" in row["note"]
    assert "2303.07345" in result["esd-x-paper"]["howpublished"]
    assert not any("control-" in key for key in result) and not any(key.startswith("gone-") for key in result), (
        "withdrawn rows are left out"
    )


def test_a_citation_of_a_marked_row_says_so(root: DataRoot) -> None:
    note = entries(run(root, "cite", "gone").stdout)["gone-miniature-1-star"]["note"]
    assert note.startswith("WITHDRAWN by someone on 2026-11-26: wrong weights") and "conceals" not in note


def test_ids_in_citations_resolve_after_a_mark(root: DataRoot) -> None:
    """Both the measured digest and the digest of before the mark."""
    before = record()
    write(root, with_mark(before, WITHDRAWN, before.path(root.results)))
    for record_id in (before.measured_digest[:12], before.digest[:12]):
        assert "WITHDRAWN" in entries(run(root, "cite", "--record", record_id).stdout)["esd-x-miniature-1-star"]["note"]
    for record_id, code in (("xyz", "cite.bad-id"), ("0" * 12, "cite.unknown-id")):
        result = CliRunner().invoke(main, ["cite", "--record", record_id, "--root", str(root.results.parent)])
        assert printed_codes(result.output) == [code]


def test_versions_are_exported_apart(root: DataRoot) -> None:
    write(root, record("older", 0.3, suite_version=0))
    rows = list(csv.DictReader(io.StringIO(run(root, "export", "--format", "csv", "--version", "0").stdout)))
    assert [(row["submission"], row["suite_version"]) for row in rows] == [("older", "0")]
    assert "older" not in run(root, "export", "--format", "csv").stdout


def test_cite(root: DataRoot) -> None:
    assert set(entries(run(root, "cite").stdout)) == {"unconceal", "miniature-1"}
    assert "esd-x-miniature-1-star" in entries(run(root, "cite", "esd-x", "--task", "object/star").stdout)
    result = CliRunner().invoke(main, ["cite", "nobody", "--root", str(root.results.parent)])
    assert result.exit_code == 2 and len(result.output.splitlines()) == 1


def test_tex_sees_no_commands_in_names() -> None:
    assert (
        escape_bibtex(r"50% \input{x} & #1_$^~")
        == r"50\% \textbackslash{}input\textbraceleft{}x\textbraceright{} \& \#1\_\$\textasciicircum{}\textasciitilde{}"
    )


def test_eval_results_are_oriented_upwards_and_read_by_the_hubs_client(root: DataRoot, tmp_path: Path) -> None:
    out = tmp_path / "eval"
    run(root, "export", "--format", "eval-results", "--dataset", "me/results", "--revision", "f" * 40, "--out", str(out))
    path = out / "miniature-1/esd-x/.eval_results/unconceal.yaml"
    result = {item.task_id: item for item in parse_eval_result_entries(YAML(typ="safe").load(path.read_text()))}
    forgetting, retention = result["miniature-1.star.forgetting"], result["miniature-1.star.retention"]
    assert forgetting.value == pytest.approx(1 - 0.4) and retention.value == pytest.approx(1 - 0.06)
    assert forgetting.dataset_id == "me/results" and forgetting.dataset_revision == "f" * 40
    assert forgetting.notes == "excess .40 [.35, .45]; conceals, gold trained-without; standard-full; self-reported"
    assert sorted(path.name for path in (out / "miniature-1").iterdir()) == ["esd-u", "esd-x", "worse"], "no controls, nothing marked"


def test_a_destroyed_model_wins_no_evaluation_result(root: DataRoot, tmp_path: Path) -> None:
    """Its excess is the lowest, because it draws nothing."""
    write(root, record("broken", -0.2, verdict=Verdict(label="damaged", reason="")))
    run(root, "export", "--format", "eval-results", "--dataset", "me/results", "--out", str(tmp_path / "eval"))
    path = tmp_path / "eval/miniature-1/broken/.eval_results/unconceal.yaml"
    result = {item.task_id: item for item in parse_eval_result_entries(YAML(typ="safe").load(path.read_text()))}
    assert result["miniature-1.star.forgetting"].value == 0.0
