from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from unconceal.errors import UsageError
from unconceal_lab.build import ship
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.ship import RELEASES, SHIPPED, WEIGHTS, import_shipped, replace_folder, ship_all, write_tasks
from unconceal_lab.build.submissions import release_name, submission_name
from unconceal_lab.unlearners import UNLEARNERS


def test_a_renewed_folder_holds_nothing_old(tmp_path: Path) -> None:
    folder = tmp_path / "weights" / "base"

    def make(name: str) -> None:
        def save(path: Path) -> None:
            path.mkdir()
            (path / name).write_text("")

        replace_folder(folder, save)

    make("old")
    make("new")
    assert [path.name for path in folder.iterdir()] == ["new"]


def test_every_shipped_release_is_made() -> None:
    built = {submission_name(unlearner) for unlearner in UNLEARNERS}
    assert set(SHIPPED) == built and "control-collapsed" in built


@pytest.mark.parametrize("write", [write_tasks, lambda: ship_all(BuildDir(Path("unused")))])
def test_nothing_is_shipped_without_a_source_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[], None]) -> None:
    """In a wheel the tree would be the interpreter's own folder."""
    monkeypatch.setattr(ship, "SOURCE_TREE", tmp_path)
    with pytest.raises(UsageError) as failure:
        write()
    assert failure.value.code == "build.no-source-tree" and not list(tmp_path.iterdir())


def test_a_submissions_weights_are_shipped_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(ship, "ship_all", lambda build_dir: calls.append("all"))
    monkeypatch.setattr(ship, "ship_releases", lambda build_dir: calls.append("releases"))
    for only in ((), ("base",), ("esd-x:object/star", "base"), ("esd-x:object/star",)):
        ship.ship(BuildDir(tmp_path), only)
    assert calls == ["all", "all", "all", "releases"]


def test_releases_are_named_by_submission_and_concept() -> None:
    names = {release_name(name, concepts) for name in SHIPPED for concepts in ("star", "hazard sign")}
    assert release_name("esd-x", "hazard sign") == "release-esd-x-hazard-sign.safetensors" and len(names) == 2 * len(SHIPPED)
    assert RELEASES.parts[-3:] == ("submissions", "miniature", "weights")


def test_a_new_build_imports_what_is_shipped(tmp_path: Path) -> None:
    """Golds can be made without training the ancestor again, and the base is the one that everyone has."""
    build_dir = BuildDir(tmp_path / "new")
    import_shipped(build_dir)
    names = ("tokenizer", "vae", "ancestor.pt", "base.pt", "shipped", "clip", "judge", "resnet18.safetensors")
    assert all(build_dir.exists(name) for name in names)
    shipped = load_file(WEIGHTS / "base" / "unet" / "diffusion_pytorch_model.safetensors")
    state = build_dir.denoiser("base").state_dict()
    assert all(torch.equal(state[f"unet.{key}"], value.float()) for key, value in shipped.items())
    (tmp_path / "new" / "base.pt").write_bytes(b"mine")
    import_shipped(build_dir)
    assert (tmp_path / "new" / "base.pt").read_bytes() == b"mine"
    shutil.rmtree(tmp_path / "new" / "shipped")
    import_shipped(build_dir)
    assert not build_dir.exists("shipped"), "the package's folder is not that of another base"
