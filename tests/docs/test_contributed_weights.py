"""The weights of a contribution reach its pull request: git leaves out what the suite builds itself, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from unconceal.paths import SOURCE_TREE
from unconceal_lab.unlearners import UNLEARNERS

WEIGHTS = "submissions/miniature/weights"


def git(*arguments: str, folder: Path) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the repository with today's .gitignore."""
    if not (SOURCE_TREE / ".git").exists():
        pytest.skip("no repository to clone")
    folder = tmp_path_factory.mktemp("clone") / "unconceal"
    git("clone", "--quiet", "--shared", "--no-checkout", str(SOURCE_TREE), str(folder), folder=SOURCE_TREE)
    git("checkout", "HEAD", "--", "submissions", folder=folder)
    shutil.copy(SOURCE_TREE / ".gitignore", folder)
    return folder


def added(clone: Path, *names: str) -> set[str]:
    """The new files that ``git add`` would add."""
    for name in names:
        path = clone / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"weights")
    lines = git("add", "-n", "submissions", folder=clone).splitlines()
    return {line.removeprefix("add '").removesuffix("'") for line in lines} & set(names)


def test_an_authors_weights_are_added(clone: Path) -> None:
    """Of any task, in any form, also under the name of a method that the lab re-implements and does not submit."""
    submitted = {path.stem for path in (SOURCE_TREE / "submissions/miniature").glob("*.yaml")}
    methods = ["my-method", *(name for name in UNLEARNERS if name not in submitted and f"control-{name}" not in submitted)]
    files = ("star.safetensors", "crescent.safetensors", "crescent.pt", "zara/unet/diffusion_pytorch_model.safetensors", "dotted.ckpt")
    names = {f"{WEIGHTS}/{method}/{name}" for method in methods if not method.startswith("noise") for name in files}
    names |= {"submissions/sd14/weights/my-method/van-gogh.safetensors", "submissions/miniature/my-method.yaml"}
    assert added(clone, *names) == names


def test_what_the_suite_builds_is_left_out(clone: Path) -> None:
    built = {f"{WEIGHTS}/{name}.safetensors" for name in ("esd-x/crescent", "uce/dotted", "control-gold-1/arrow", "esd-u/star")}
    assert added(clone, *built) == set()
    ignored = git("ls-files", "-ci", "--exclude-standard", folder=clone).splitlines()
    assert ignored == [], "what is committed is not ignored"
