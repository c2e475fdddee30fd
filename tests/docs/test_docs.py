"""Docs are true: commands that they show exist and, if cheap, run; examples of Python run; links lead somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from unconceal.cli.main import main
from unconceal.evaluation.provenance import spec_digests
from unconceal.paths import DataRoot
from unconceal.specs.loader import load_submission, load_suite, load_task
from unconceal.specs.record import read_record, write_record
from unconceal_lab.reports.metrics_reference import reference

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.M | re.S)
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
"""What runs here. The others evaluate, train, ask, or need weights or a network: of them only the command and its options are checked."""
EVALUATES = re.compile(r"\bevaluate\(")


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in some languages, without their indent."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [re.sub(rf"^{indent}", "", text, flags=re.M) for indent, language, text in found if language in languages]


def commands(page: Path) -> list[list[str]]:
    """Every `unconceal …` of a page's blocks, as arguments; comments after two spaces are left out."""
    lines = [line for block in blocks(page, "", "sh", "console") for line in block.splitlines()]
    found = [re.split(r"\s{2,}#|\s>\s", line)[0].strip() for line in lines]
    return [shlex.split(line)[1:] for line in found if line.startswith("unconceal ")]


SHOWN = [(page, arguments) for page in PAGES for arguments in commands(page)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with the rows of a submission called my-method, a contribution beside, and a published version."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("tasks", "results"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copytree(ROOT / "submissions", folder / "submissions", ignore=shutil.ignore_patterns("*.safetensors"))
    shutil.copyfile(ROOT / "CITATION.cff", folder / "CITATION.cff")
    described = (folder / "submissions/miniature/esd-x.yaml").read_text(encoding="utf-8").replace("name: esd-x", "name: my-method")
    (folder / "submissions/miniature/my-method.yaml").write_text(described, encoding="utf-8")
    root = DataRoot.find(folder)
    mine = load_submission(root, "miniature/my-method")
    for path in sorted(root.results.glob("miniature-*/*/*/esd-x.*.json")):
        record = read_record(path)
        told = spec_digests(load_suite(root, "miniature"), load_task(root, f"miniature:{record.task}"), mine)["submission_digest"]
        checkpoint = record.checkpoint.model_copy(update={"submission_digest": told})
        record = record.model_copy(update={"submission": "my-method", "checkpoint": checkpoint})
        write_record(record, record.place(root.results))
    shutil.copytree(folder, folder / "contribution", ignore=shutil.ignore_patterns("contribution"))
    (folder / ".gitignore").write_text("contribution\npublished\nsite\neval\nreports\nresults.csv\n")
    git(folder, "init", "-q")
    commit(folder)
    return folder


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def commit(folder: Path) -> None:
    """What `publish` asks for: an up-to-date leaderboard, and everything committed."""
    assert CliRunner().invoke(main, ["leaderboard", "--root", str(folder)]).exit_code == 0
    git(folder, "add", "-A")
    git(folder, "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "all", "--allow-empty")


def command_of(arguments: list[str]) -> tuple[click.Command, list[str], str]:
    """The click command that arguments call, what is left of them, and its name."""
    command: click.Command = main
    names: list[str] = []
    left = list(arguments)
    while isinstance(command, click.Group):
        name = left.pop(0)
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"there is no `{' '.join([*names, name])}`"
        command = found
        names.append(name)
    return command, left, " ".join(names)


@pytest.mark.parametrize(("page", "arguments"), SHOWN, ids=[f"{page.stem}: {' '.join(each)}" for page, each in SHOWN])
def test_every_command_shown_exists_with_its_options(page: Path, arguments: list[str]) -> None:
    command, left, _ = command_of(arguments)
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in left:
        assert not word.startswith("--") or word.partition("=")[0] in known, f"{word} is no option"


def test_cheap_commands_run(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the pages, since some need what others made."""
    monkeypatch.chdir(clone)
    ran = 0
    for page, arguments in SHOWN:
        name = command_of(arguments)[2]
        if name in CHEAP:
            if name == "publish":
                commit(clone)
            result = CliRunner().invoke(main, arguments)
            assert result.exit_code == 0, f"{page.name}: {' '.join(arguments)}: {result.output[-500:]}"
            ran += 1
    assert ran >= 15


def test_python_examples_run(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    commit(clone)
    assert CliRunner().invoke(main, ["publish", "--to", "./published", "--version", "v1", "--execute"]).exit_code == 0
    monkeypatch.setenv("HF_HOME", str(clone / "reports"))
    for page in PAGES:
        names: dict[str, object] = {"__name__": "example"}
        for block in () if page.name == "reference.md" else blocks(page, "python"):
            code = compile(block, page.name, "exec")
            if not EVALUATES.search(block):
                exec(code, names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}, target


def test_the_metric_reference_is_what_the_docstrings_say() -> None:
    stale = "run `python -m unconceal_lab.reports.metrics_reference docs/reference.md`"
    assert (ROOT / "docs/reference.md").read_text(encoding="utf-8") == reference(), stale


def test_the_index_of_the_docs_names_every_page() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    assert not [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md" and f"({page.name})" not in index]
