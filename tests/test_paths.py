"""Where the data lies: the order of places, and both kinds of install."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from codes import raises
from unconceal import paths
from unconceal.paths import SOURCE_TREE, DataRoot, escapes, resolve_path

ASK = """
import json
from unconceal.paths import PACKAGE, DataRoot, resolve_path
root = DataRoot.find()
print(json.dumps({
    "package": str(PACKAGE), "tasks": str(root.tasks), "submissions": str(root.submissions), "results": str(root.results),
    "read_only": root.read_only, "weights": str(resolve_path("package:miniature/weights/base", root)),
    "suites": sorted(path.parent.name for path in root.tasks.glob("*/suite.yaml")),
}))
"""
needs_hatchling = pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="hatchling is not installed")


def ask(python_path: Path, folder: Path) -> dict[str, object]:
    """What the package found on ``python_path`` says of its data when started in ``folder``."""
    environment = {**os.environ, "PYTHONPATH": str(python_path), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def test_a_named_root_comes_first(data_root: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty / "tasks").mkdir()
    monkeypatch.chdir(empty)
    result = DataRoot.find(data_root)
    assert (result.tasks, result.submissions, result.results) == tuple(data_root / name for name in ("tasks", "submissions", "results"))
    with raises("root.no-tasks"):
        DataRoot.find(empty / "tasks")


def test_then_the_working_directory_then_the_source_tree(data_root: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data_root)
    assert DataRoot.find().tasks == data_root / "tasks" and not DataRoot.find().read_only
    monkeypatch.chdir(empty)
    assert DataRoot.find().tasks == SOURCE_TREE / "tasks" and not DataRoot.find().read_only


def test_then_the_packaged_data_then_nothing(data_root: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(empty)
    monkeypatch.setattr(paths, "SOURCE_TREE", empty)
    monkeypatch.setattr(paths, "PACKAGED_DATA", data_root)
    result = DataRoot.find()
    assert result.read_only and result.tasks == data_root / "tasks" and result.results == empty / "results"
    monkeypatch.setattr(paths, "PACKAGED_DATA", empty)
    with raises("root.no-tasks"):
        DataRoot.find()


def test_the_store_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("UNCONCEAL_STORE", raising=False)
    assert DataRoot.find().store == Path.home() / ".cache" / "unconceal" / "store"
    monkeypatch.setenv("UNCONCEAL_STORE", str(tmp_path))
    assert DataRoot.find().store == tmp_path


def test_references(data_root: Path) -> None:
    root = DataRoot.find(data_root)
    assert resolve_path("submissions/tiny/w.safetensors", root) == data_root / "submissions/tiny/w.safetensors"
    assert resolve_path("package:miniature/weights/base", root) == paths.PACKAGE / "miniature/weights/base"
    for reference in ("/etc/passwd", "../x", "a/../../x", "package:../x", "package:/etc", "", "C:\\x", "a\\..\\..\\x", "file:/x"):
        assert escapes(reference.removeprefix("package:"))
        with raises("path.outside-root"):
            resolve_path(reference, root)


def test_links_out_of_the_data_root_are_not_followed(data_root: Path, tmp_path: Path) -> None:
    root, secret = DataRoot.find(data_root), tmp_path / "secret.safetensors"
    secret.write_bytes(b"x")
    (data_root / "submissions" / "own.safetensors").write_bytes(b"x")
    (data_root / "submissions" / "inner").symlink_to(data_root / "submissions" / "own.safetensors")
    (data_root / "submissions" / "file").symlink_to(secret)
    (data_root / "submissions" / "folder").symlink_to(tmp_path)
    assert resolve_path("submissions/inner", root).read_bytes() == b"x"
    for reference in ("submissions/file", "submissions/folder/secret.safetensors"):
        with raises("path.link"):
            resolve_path(reference, root)
    linked = tmp_path / "elsewhere"
    linked.symlink_to(data_root)
    assert resolve_path("submissions/own.safetensors", DataRoot.find(linked)).exists()


@needs_hatchling
def test_from_a_wheel(tmp_path: Path, empty: Path) -> None:
    build = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=SOURCE_TREE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    site = tmp_path / "site"
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        wheel.extractall(site)  # What pip does with a pure wheel.
    answer = ask(site, empty)
    assert answer["package"] == str(site / "unconceal")
    assert answer["tasks"] == str(site / "unconceal/data/tasks") and answer["submissions"] == str(site / "unconceal/data/submissions")
    assert (
        answer["read_only"] is True
        and answer["results"] == str(empty / "results")
        and answer["suites"] == ["miniature", "sd14", "sd14-planted"]
    )
    assert answer["weights"] == str(site / "unconceal/miniature/weights/base")
    packed = {path.relative_to(site / "unconceal/data").as_posix() for path in (site / "unconceal/data").rglob("*") if path.is_file()}
    source = (SOURCE_TREE.glob("tasks/**/*.yaml"), SOURCE_TREE.glob("submissions/**/*.yaml"))
    assert {path.relative_to(SOURCE_TREE).as_posix() for result in source for path in result} <= packed
    assert (tmp_path / done.stdout.split()[-1]).stat().st_size <= 60e6, "PyPI takes at most 100 MB"
    assert not [name for name in packed if name.endswith((".webp", ".jpg", ".png")) or name.startswith("results/miniature-1/")]
    demo_weights = {f"submissions/miniature/weights/{name}/star.safetensors" for name in ("esd-x", "uce", "decouple-to-other")}
    assert demo_weights <= packed and "CITATION.cff" in packed
    assert (site / "unconceal/py.typed").is_file()


@needs_hatchling
def test_from_an_editable_install(tmp_path: Path, empty: Path) -> None:
    build = "import hatchling.build, sys; print(hatchling.build.build_editable(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=SOURCE_TREE, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / done.stdout.split()[-1]) as wheel:
        (link,) = [name for name in wheel.namelist() if name.endswith(".pth")]
        answer = ask(Path(wheel.read(link).decode().strip()), empty)
    assert answer["tasks"] == str(SOURCE_TREE / "tasks") and answer["results"] == str(SOURCE_TREE / "results")
    assert answer["read_only"] is False and answer["package"] == str(SOURCE_TREE / "benchmark/unconceal")
