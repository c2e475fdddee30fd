from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unconceal_lab.build.recipe import Recipe
from unconceal_lab.build.build_dir import BuildDir


@pytest.fixture
def shop(tmp_path: Path) -> BuildDir:
    return BuildDir(tmp_path, Recipe(pictures=12, held_out=5))


def test_a_file_is_kept_with_its_minutes(shop: BuildDir) -> None:
    assert not shop.exists("a.txt") and shop.minutes == {}
    shop.keep("a.txt", 1.234, lambda path: path.write_text("one"))
    shop.keep("b.txt", 2, lambda path: path.write_text("two"))
    assert shop.exists("a.txt") and (shop.folder / "a.txt").read_text() == "one" and shop.minutes == {"a.txt": 1.23, "b.txt": 2}
    assert sorted(path.name for path in shop.folder.iterdir()) == ["a.txt", "b.txt", "minutes.json"]


def test_a_folder_is_kept_whole(shop: BuildDir) -> None:
    def save(path: Path) -> None:
        path.mkdir()
        (path / "weights").write_text("w")

    shop.keep("vae", 3, save)
    assert (shop.folder / "vae" / "weights").read_text() == "w" and not list(shop.folder.glob(".part*"))


def test_of_two_that_make_the_same_folder_the_first_stays(shop: BuildDir) -> None:
    def save(path: Path) -> None:
        path.mkdir()
        (path / "weights").write_text("second")
        (shop.folder / "vae").mkdir()
        (shop.folder / "vae" / "weights").write_text("first")

    shop.keep("vae", 1, save)
    assert (shop.folder / "vae" / "weights").read_text() == "first" and not list(shop.folder.glob(".part*"))


def test_what_fails_is_not_there(shop: BuildDir) -> None:
    def half(path: Path) -> None:
        path.write_text("hal")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        shop.keep("a.txt", 1, half)
    assert not shop.exists("a.txt") and shop.minutes == {}
    shop.keep("a.txt", 1, lambda path: path.write_text("whole"))
    assert (shop.folder / "a.txt").read_text() == "whole"


def test_the_old_file_stays_until_the_new_one_is_whole(shop: BuildDir) -> None:
    shop.keep("a.txt", 1, lambda path: path.write_text("old"))

    def fail(path: Path) -> None:
        assert (shop.folder / "a.txt").read_text() == "old"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        shop.keep("a.txt", 2, fail)
    assert (shop.folder / "a.txt").read_text() == "old" and shop.minutes == {"a.txt": 1}


def test_pictures_are_those_of_the_recipe(shop: BuildDir) -> None:
    assert len(shop.world) == 12 and len(shop.held_out) == 5 and not set(shop.world.scenes) & set(shop.held_out.scenes)
    assert shop.world is shop.world


def test_tensors_and_classifiers_are_read_back(shop: BuildDir) -> None:
    torch.manual_seed(0)
    latents = torch.randn(3, 4, 16, 16).half()
    shop.keep("latents.pt", 0, lambda path: torch.save(latents, path))
    assert torch.equal(shop.latents, latents)
    from unconceal_lab.models import classifiers

    model = classifiers.new(shop.recipe.truth_architecture)
    shop.keep("truth.pt", 0, lambda path: torch.save(model.state_dict(), path))
    found = shop.truth
    assert not found.training and all(torch.equal(value, found.state_dict()[name]) for name, value in model.state_dict().items())
