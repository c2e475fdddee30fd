"""Examples run: cheap commands in the order of the pages, and every block of Python that does not evaluate a model."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from docs.pages import PAGES, ROOT, blocks, page_commands, resolve
from unconceal.cli.main import main
from unconceal.evaluation.environment import spec_digests
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.record import read_record, write_record

CHEAP = (
    "tasks list",
    "tasks show",
    "tasks lint",
    "submissions list",
    "leaderboard",
    "report",
    "results check",
    "results mark",
    "export",
    "cite",
    "site",
    "publish",
    "probes show",
)
"""The other commands evaluate, train, ask a language model, or need weights or a network."""
EVALUATES = re.compile(r"\bevaluate\(")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which uce is called my-method, a contribution beside it, and a published version."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("tasks", "results"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copytree(ROOT / "submissions", folder / "submissions", ignore=shutil.ignore_patterns("*.safetensors"))
    shutil.copyfile(ROOT / "CITATION.cff", folder / "CITATION.cff")
    text = (folder / "submissions/miniature/uce.yaml").read_text(encoding="utf-8").replace("name: uce", "name: my-method")
    (folder / "submissions/miniature/uce.yaml").unlink()
    (folder / "submissions/miniature/my-method.yaml").write_text(text, encoding="utf-8")
    root = DataRoot.find(folder)
    submission = load_submission(root, "miniature/my-method")
    suite = load_suite(root, "miniature")
    for path in sorted(root.results.glob("miniature-*/*/*/uce.*.json")):
        record = read_record(path)
        path.unlink()
        digest = spec_digests(suite, load_task(root, f"miniature:{record.task}"), submission)["submission_digest"]
        checkpoint = record.checkpoint.model_copy(update={"submission_digest": digest})
        record = record.model_copy(update={"submission": "my-method", "checkpoint": checkpoint})
        write_record(record, record.path(root.results))
    shutil.copytree(folder, folder / "contribution", ignore=shutil.ignore_patterns("contribution"))
    (folder / "rerun").mkdir()
    (folder / ".gitignore").write_text("contribution\nrerun\npublished\nsite\neval\nreports\nresults.csv\n")
    git(folder, "init", "-q")
    commit(folder)
    return folder


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def commit(folder: Path) -> None:
    """Meets the conditions of `publish`: an up-to-date leaderboard, and no uncommitted change."""
    assert CliRunner().invoke(main, ["leaderboard", "--root", str(folder)]).exit_code == 0
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "all", "--allow-empty")


def test_cheap_commands_run(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the pages, since some need files that others write."""
    monkeypatch.chdir(clone)
    n_run = 0
    for page in PAGES:
        for program, arguments in page_commands(page):
            name = resolve(program, arguments)[2]
            if program != "unconceal" or name not in CHEAP:
                continue
            if name == "publish":
                commit(clone)
            result = CliRunner().invoke(main, arguments)
            assert result.exit_code == 0, f"{page.name}: {' '.join(arguments)}: {result.output[-500:]}"
            n_run += 1
    assert n_run >= 15


def test_python_examples_run(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    commit(clone)
    assert CliRunner().invoke(main, ["publish", "--to", "./published", "--version", "v1", "--execute"]).exit_code == 0
    monkeypatch.setenv("HF_HOME", str(clone / "reports"))
    for page in PAGES:
        names: dict[str, object] = {"__name__": "example"}
        for block in () if page.name == "metric-functions.md" else blocks(page, "python"):
            code = compile(block, page.name, "exec")
            if not EVALUATES.search(block):
                exec(code, names)


@pytest.mark.parametrize("path", ["docs/concepts/metrics.md", "docs/concepts/verdict.md"])
def test_examples_print_what_their_comments_state(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {"__name__": "example"}
    stated = []
    for block in blocks(ROOT / path, "python"):
        stated += re.findall(r"^print\(.*?\)  # ([^:\n]+)", block, re.M)
        exec(compile(block, path, "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert stated and [" ".join(line.split()) for line in printed] == [" ".join(text.split()) for text in stated]
