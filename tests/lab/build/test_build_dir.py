from __future__ import annotations

from pathlib import Path

import pytest
import torch

from unconceal.specs.digests import file_digest
from unconceal_lab.build.build_dir import BuildDir
from unconceal_lab.build.recipe import BuildRecipe


@pytest.fixture
def build_dir(tmp_path: Path) -> BuildDir:
    return BuildDir(tmp_path, BuildRecipe(n_images=12, n_held_out=5))


def test_a_file_is_kept_with_its_minutes(build_dir: BuildDir) -> None:
    assert not build_dir.exists("a.txt") and build_dir.minutes == {}
    build_dir.save("a.txt", 1.234, lambda path: path.write_text("one"))
    build_dir.save("b.txt", 2, lambda path: path.write_text("two"))
    assert (
        build_dir.exists("a.txt") and (build_dir.folder / "a.txt").read_text() == "one" and build_dir.minutes == {"a.txt": 1.23, "b.txt": 2}
    )
    assert sorted(path.name for path in build_dir.folder.iterdir()) == ["a.txt", "b.txt", "digests.json", "minutes.json"]


def test_a_folder_is_kept_whole(build_dir: BuildDir) -> None:
    def save(path: Path) -> None:
        path.mkdir()
        (path / "weights").write_text("w")

    build_dir.save("vae", 3, save)
    assert (build_dir.folder / "vae" / "weights").read_text() == "w" and not list(build_dir.folder.glob(".part*"))


def test_of_two_that_make_the_same_folder_the_first_stays(build_dir: BuildDir) -> None:
    def save(path: Path) -> None:
        path.mkdir()
        (path / "weights").write_text("second")
        (build_dir.folder / "vae").mkdir()
        (build_dir.folder / "vae" / "weights").write_text("first")

    build_dir.save("vae", 1, save)
    assert (build_dir.folder / "vae" / "weights").read_text() == "first" and not list(build_dir.folder.glob(".part*"))


def test_every_output_has_its_digest(build_dir: BuildDir) -> None:
    build_dir.save("a.txt", 1, lambda path: path.write_text("one"))
    assert build_dir.digests == {"a.txt": file_digest(build_dir.folder / "a.txt")}
    build_dir.save("a.txt", 1, lambda path: path.write_text("two"))
    assert build_dir.digest("a.txt") == build_dir.digests["a.txt"] == file_digest(build_dir.folder / "a.txt")
    (build_dir.folder / "digests.json").unlink()
    assert build_dir.digest("a.txt") == build_dir.digests["a.txt"] == file_digest(build_dir.folder / "a.txt")


def test_a_failed_file_is_not_saved(build_dir: BuildDir) -> None:
    def half(path: Path) -> None:
        path.write_text("hal")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        build_dir.save("a.txt", 1, half)
    assert not build_dir.exists("a.txt") and build_dir.minutes == {}
    build_dir.save("a.txt", 1, lambda path: path.write_text("whole"))
    assert (build_dir.folder / "a.txt").read_text() == "whole"


def test_the_old_file_stays_until_the_new_one_is_whole(build_dir: BuildDir) -> None:
    build_dir.save("a.txt", 1, lambda path: path.write_text("old"))

    def fail(path: Path) -> None:
        assert (build_dir.folder / "a.txt").read_text() == "old"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        build_dir.save("a.txt", 2, fail)
    assert (build_dir.folder / "a.txt").read_text() == "old" and build_dir.minutes == {"a.txt": 1}


def test_pictures_are_those_of_the_recipe(build_dir: BuildDir) -> None:
    assert (
        len(build_dir.images) == 12
        and len(build_dir.held_out_images) == 5
        and not set(build_dir.images.scenes) & set(build_dir.held_out_images.scenes)
    )
    assert build_dir.images is build_dir.images


def test_tensors_and_classifiers_are_read_back(build_dir: BuildDir) -> None:
    torch.manual_seed(0)
    latents = torch.randn(3, 4, 16, 16).half()
    build_dir.save("latents.pt", 0, lambda path: torch.save(latents, path))
    assert torch.equal(build_dir.latents, latents)
    from unconceal_lab.models import classifiers

    model = classifiers.new_classifier(build_dir.recipe.image_classifier_architecture)
    build_dir.save("truth.pt", 0, lambda path: torch.save(model.state_dict(), path))
    results = build_dir.image_classifier
    assert not results.training and all(torch.equal(value, results.state_dict()[name]) for name, value in model.state_dict().items())
